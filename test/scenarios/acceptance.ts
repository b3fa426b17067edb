import * as z from 'zod';

/** What these tests look at in the answer of triage_gpu_node. */
export const Triage = z.looseObject({
  verdict: z.string(),
  findings: z.array(
    z.looseObject({
      id: z.string(),
      severity: z.string(),
      title: z.string(),
      action: z.string(),
      evidence: z.array(z.looseObject({ what: z.string() })),
    }),
  ),
  gaps: z.array(z.string()),
  gpus: z.array(z.looseObject({ error: z.string().optional() })),
  host: z.looseObject({}),
});

export const ids = ({ findings }: z.infer<typeof Triage>) =>
  findings.map(({ id }) => id.replace(/@.*/, ''));
export const serious = ({ findings }: z.infer<typeof Triage>) =>
  findings.filter(({ severity }) => severity !== 'info');
