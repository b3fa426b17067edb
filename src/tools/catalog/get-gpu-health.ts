import * as z from 'zod';
import { gapLine, type Line, linesOf, summaryLine } from '../../contract/answer.ts';
import { Finding, gpusOf, SEVERITIES } from '../../contract/finding.ts';
import { momentMs } from '../../contract/time.ts';
import { diagnose } from '../../findings/diagnosis.ts';
import { unjudgedGpus } from '../../findings/gaps.ts';
import { HEAD, head, unlisted } from '../head.ts';
import { briefFinding, briefFindingLines } from '../support/finding-brief.ts';
import { findingLines, restsOnLines, restsOnOf } from '../support/finding-lines.ts';
import { foldedGpus, foldedLine } from '../support/folded-gpus.ts';
import { HEALTH_FIELDS } from '../support/gpu-fields.ts';
import {
  GPU_ROW_KEYS,
  GpuRow,
  gpuLine,
  gpuRows,
  gpuSelector,
  isAbout,
  selectRows,
} from '../support/gpu-rows.ts';
import { VERDICT_SINCE } from '../support/moment-input.ts';
import { outline } from '../support/outline.ts';
import { hostnameOf, readNodeTwice } from '../support/read-node.ts';
import { keptLines, Readings, readingsOf, readLine } from '../support/searched.ts';
import { Watched, watchedLines, watchedOf } from '../support/watched-counters.ts';
import { defineTool } from '../tool.ts';

const Status = z.enum(['critical', 'warning', 'ok', 'unknown']);

const HealthRow = z
  .strictObject({ status: Status, ...GpuRow.shape })
  .meta({ listedKeys: ['status', ...GPU_ROW_KEYS] });

/** What neighbours are compared by. */
export const HealthFacts = z.strictObject({
  ...HEAD,
  gpus: z.array(HealthRow),
  /** What "ok" of all of them is said by. */
  restsOn: z.string().optional(),
  findings: z.array(unlisted(Finding)),
  gaps: z.array(z.string()),
  watched: unlisted(Watched),
  readings: Readings,
});
export type HealthFacts = z.infer<typeof HealthFacts>;

export const getGpuHealth = defineTool({
  name: 'get_gpu_health',
  title: 'GPU health readings',
  description:
    'Reads what tells the health of each GPU now: temperature against its limit, slowdown, ECC, row remaps, retired pages, PCIe width and replays, the recovery action the driver asks for. ' +
    'What could not be read is listed with its reason.',
  input: z.strictObject({ gpu: gpuSelector }),
  output: HealthFacts,
  async observe(input, instruments, signal) {
    // Judged by all that triage knows: what a GPU needs does not depend on who is asked.
    const sinceMs = momentMs(VERDICT_SINCE, instruments.clock.nowMs());
    const facts = await readNodeTwice(instruments, { sinceMs }, signal);
    const diagnosis = diagnose(facts);
    const rows = selectRows(gpuRows(facts, HEALTH_FIELDS), input.gpu);
    const shown = (finding: Finding) =>
      input.gpu === undefined ||
      gpusOf(finding).length === 0 ||
      rows.some(row => isAbout(finding, row));
    const findings = diagnosis.findings.filter(shown);
    const unjudged = unjudgedGpus(facts);
    const gpus = rows.map(row => ({
      status: statusOf(row, findings, row.index !== undefined && unjudged.includes(row.index)),
      ...row,
    }));
    const bad = gpus.filter(gpu => gpu.status === 'critical' || gpu.status === 'warning').length;
    const unsure = gpus.filter(gpu => gpu.status === 'unknown').length;
    const worst = findings.find(finding => finding.severity !== 'info');
    const summary =
      gpus.length === 0
        ? `No GPU could be read: ${diagnosis.gaps.join('; ')}.`
        : worst
          ? `${worst.title}. ${bad} of ${gpus.length} GPUs have a fault${unsure > 0 ? `, ${unsure} could not be judged` : ''}.`
          : unsure > 0
            ? `No fault seen, but ${unsure} of ${gpus.length} GPUs could not be judged.`
            : `The readings of ${gpus.length} GPUs show no fault${facts.log?.coverage.some(({ available }) => available) ? ', nor does the kernel log of 24 hours' : ''}.`;
    return {
      ...head(instruments, hostnameOf(facts), summary),
      gpus,
      ...restsOnOf(diagnosis, input.gpu === undefined && gpus.length > 0 && bad + unsure === 0),
      findings,
      gaps: [...diagnosis.gaps],
      ...watchedOf(facts),
      readings: readingsOf(facts, diagnosis.readings),
    };
  },
  forModel(facts) {
    const { gpus, findings, ...rest } = facts;
    const folded = foldedGpus(byWorst(gpus));
    const brief = findings.map((finding, at) => briefFinding(finding, at === 0 ? 4 : 1));
    const { summary, ...others } = rest;
    return {
      structured: { summary, gpus: folded, findings: brief, ...others },
      lines: linesOf([
        summaryLine(facts),
        ...brief.flatMap(briefFindingLines),
        ...folded.map(foldedLine),
        ...outline(others),
      ]),
    };
  },
  lines(facts) {
    const nowMs = Date.parse(facts.takenAt);
    const gpus = byWorst(facts.gpus);
    return [
      summaryLine(facts),
      ...restsOnLines(facts.restsOn),
      ...facts.findings.flatMap(finding => ['', ...findingLines(finding, nowMs)]),
      '',
      ...gpus.map((gpu): Line => {
        const kind = gpu.status === 'ok' ? 'healthy' : gpu.status;
        return { kind, text: `${gpu.status.padEnd(8)}  ${gpuLine(gpu).text}` };
      }),
      ...facts.gaps.map(gapLine),
      ...watchedLines(facts.watched),
      readLine(facts.readings),
      ...keptLines(facts.readings.kept, nowMs),
    ];
  },
});

const WORST = ['critical', 'warning', 'unknown', 'ok'];

const byWorst = (gpus: readonly z.infer<typeof HealthRow>[]) =>
  gpus.toSorted(
    (a, b) => WORST.indexOf(a.status) - WORST.indexOf(b.status) || (a.index ?? 0) - (b.index ?? 0),
  );

/** The worst finding about the GPU; `unknown` when something that decides could not be read. */
function statusOf(
  row: GpuRow,
  findings: readonly Finding[],
  isUnjudged: boolean,
): z.infer<typeof Status> {
  const about = findings.filter(
    finding =>
      isAbout(finding, row) || (gpusOf(finding).length === 0 && finding.component === 'driver'),
  );
  const worst = SEVERITIES.find(severity => about.some(finding => finding.severity === severity));
  if (worst === 'critical' || worst === 'warning') return worst;
  // What this GPU has not, or its driver is too old to tell, leaves nothing unread.
  const absent = Object.keys(row.unavailable ?? {}).some(
    reason => reason !== 'not_supported' && reason !== 'function_not_found',
  );
  return isUnjudged || absent || row.error !== undefined ? 'unknown' : 'ok';
}
