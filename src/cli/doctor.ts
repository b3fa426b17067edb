import * as z from 'zod';
import { CONNECTION, ConnectionFlags, printedConnection } from '../cluster/connection-flags.ts';
import { openSurvey } from '../cluster/survey.ts';
import type { DoctorReport } from '../contract/doctor.ts';
import { UsageError } from '../contract/errors.ts';
import { flag } from '../contract/flag.ts';
import { EPHEMERAL } from '../contract/labels.ts';
import { optional } from '../contract/optional.ts';
import { withCommands, withConnection } from '../contract/printed-command.ts';
import type { Form } from '../report/render.ts';
import { defineCommand } from './command.ts';
import { OUTPUT, optionalWord, POD } from './flags.ts';
import { write } from './io.ts';
import { hasGpus } from './node-sessions.ts';
import { podChoices } from './pod-choices.ts';
import { formOf } from './print.ts';
import { SUMMARIES } from './summaries.ts';

const FORMS = ['text', 'json', 'yaml'] as const;

/** Whether a session would start, before there is any. */
export const doctor = defineCommand({
  ...SUMMARIES.doctor,
  examples: [
    ['$0 doctor gpu-node-3', 'kubeconfig, rights, namespace, admission, node, image, clocks'],
    ['$0 doctor', 'the cluster without a node'],
    ['$0 doctor gpu-node-3 -n gpu-mcp -o json', 'for scripts; the exit code tells too'],
  ],
  flags: {
    target: optionalWord('NAME, node/NAME, pod/NAME', { names: 'target' }),
    ...CONNECTION,
    ...POD,
    ...OUTPUT,
    output: flag(z.enum(FORMS), {
      description: 'How the report is written',
      type: 'string',
      alias: 'o',
      choices: FORMS,
      default: 'text',
    }),
  },
  async run({ args, io, progress }) {
    if (args.profile === EPHEMERAL) {
      throw new UsageError(
        'doctor looks at sessions with a pod of their own, and --profile ephemeral has none',
        'kubectl gpu-mcp manifest pod pod/NAME --profile ephemeral says whether the pod can take the container',
      );
    }
    const { examine } = await import('../doctor/examine.ts');
    const { lookAtLaptop } = await import('../doctor/laptop.ts');
    const { exitOf, reportOf } = await import('../doctor/report.ts');
    const { environment, clock, signal } = io;
    const facts = await examine({
      ...{ clock, signal, hasGpus },
      open: () => openSurvey({ flags: args, environment, clock }),
      lookAtLaptop: asking => lookAtLaptop(asking, { environment, nodeJs: io.program.node }),
      plan: { lifetime: args.lifetime ?? 'auto', transport: args.transport ?? 'websocket' },
      target: args.target,
      pod: podChoices({ args, io }),
      onWait: progress.wait,
    });
    const report = withFlags(reportOf(facts), ConnectionFlags.parse(args));
    await write(io.stdout, await written(report, args.output, formOf({ args, io })));
    return exitOf(report);
  },
});

/** Every command as its reader can run it; an admin is not who is impersonated here. */
function withFlags(report: DoctorReport, flags: ConnectionFlags): DoctorReport {
  const { as: _as, asGroup: _group, asUid: _uid, asUserExtra: _extra, ...own } = flags;
  const words = printedConnection(own);
  const checks = report.checks.map(({ adminCommands, ...check }) => ({
    ...check,
    ...optional({ adminCommands: adminCommands?.map(command => withConnection(command, words)) }),
  }));
  return withCommands({ ...report, checks }, printedConnection(flags));
}

async function written(
  report: DoctorReport,
  output: (typeof FORMS)[number],
  form: Pick<Form, 'width' | 'colour'>,
): Promise<string> {
  switch (output) {
    case 'json':
      return `${JSON.stringify(report, null, 2)}\n`;
    case 'yaml':
      return (await import('../report/yaml.ts')).asYaml(report);
    case 'text': {
      const { doctorPage } = await import('../report/doctor-page.ts');
      const { terminalText } = await import('../report/terminal.ts');
      return `${terminalText(doctorPage(report), form)}\n`;
    }
  }
}
