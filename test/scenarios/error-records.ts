import {
  cperHex,
  MEMORY_SECTION,
  memoryBody,
  NVIDIA_EVENT,
  PCIE_SECTION,
  pcieBody,
  type RecordParts,
} from '../fakes/error-records.ts';
import { H100, h100 } from './machines.ts';
import type { Scenario } from './scenario.ts';

const [RECOVERABLE, FATAL, CORRECTED] = [0, 1, 2];
const MULTI_BIT = 3;
const [RECOVERED, SIMULATED] = [1, 4];
const NOW = '2026-03-01T12:00:00Z';

/** Eight H100 that work, whose driver has records of GPU 3. */
const withRecords = (...records: readonly RecordParts[]): object =>
  h100({ gpus: { 3: { systemGetCPER: records.map(cperHex).join('') } } });
/** Read at a time that records can be of. */
const at = (facts: Parameters<NonNullable<Scenario['facts']>>[0]) => ({
  ...facts,
  nowMs: Date.parse(NOW),
});
const multiBit = { guid: MEMORY_SECTION, part: 'HBM3 site 4', body: memoryBody(MULTI_BIT) };
const id = `error-record:${H100[3]}`;

/** What firmware and driver wrote down of hardware errors, which a driver of R610 hands out. */
export const ERROR_RECORDS: readonly Scenario[] = [
  {
    name: 'a fatal record of the memory of one GPU, an hour old',
    truth: 'hardware',
    machine: withRecords({ severity: FATAL, at: '2026-03-01T11:00:00', sections: [multiBit] }),
    facts: at,
    verdict: 'warning',
    findings: [id],
  },
  {
    name: 'two records of the PCIe link of one GPU that the driver outlived, one without a time',
    truth: 'hardware',
    machine: withRecords(
      { severity: RECOVERABLE, sections: [{ guid: PCIE_SECTION, body: pcieBody(0x61) }] },
      {
        severity: RECOVERABLE,
        at: '2026-03-01T09:30:00',
        sections: [{ guid: NVIDIA_EVENT, body: eventBody('GPU-PCIE', 2, 7) }],
      },
    ),
    facts: at,
    verdict: 'warning',
    findings: [id],
  },
  {
    name: 'a fatal record of no GPU, of a kind that is not known',
    truth: 'hardware',
    machine: {
      ...h100(),
      driver: {
        answers: {
          systemGetCPER: cperHex({
            severity: FATAL,
            at: '2026-03-01T11:59:00',
            sections: [{ guid: '01234567-89ab-cdef-0123-456789abcdef' }],
          }),
        },
      },
    },
    facts: at,
    verdict: 'warning',
    findings: ['error-record'],
  },
  {
    name: 'what was corrected, what was recovered and what is of last week',
    truth: 'healthy',
    machine: withRecords(
      { severity: CORRECTED, at: '2026-03-01T11:00:00', sections: [multiBit] },
      { severity: FATAL, flags: RECOVERED, at: '2026-03-01T11:00:00', sections: [multiBit] },
      { severity: FATAL, at: '2026-02-20T11:00:00', sections: [multiBit] },
    ),
    facts: at,
    verdict: 'healthy',
    findings: [],
  },
  {
    name: 'somebody injected a fatal error to try what follows',
    truth: 'healthy',
    machine: withRecords({ severity: FATAL, flags: SIMULATED, sections: [multiBit] }),
    facts: at,
    verdict: 'healthy',
    findings: [id],
  },
  {
    name: 'records of hardware errors that nobody can decode',
    truth: 'unknown',
    machine: h100({ gpus: { 3: { systemGetCPER: '43504552'.repeat(40) } } }),
    facts: at,
    verdict: 'unknown',
    findings: [],
  },
  {
    name: 'nobody may ask for records of hardware errors but root',
    truth: 'unknown',
    machine: {
      ...h100(),
      driver: { faults: { systemGetCPER: { return: 'no_permission' } } },
    },
    verdict: 'unknown',
    findings: [],
  },
];

/** A section of NVIDIA's: which unit tells it, and the numbers of the event. */
function eventBody(signature: string, type: number, subtype: number): Buffer {
  const body = Buffer.alloc(64);
  body.writeUInt8(1, 0);
  body.writeUInt8(1, 2);
  body.writeUInt16LE(type, 4);
  body.writeUInt16LE(subtype, 6);
  body.write(signature, 16, 'latin1');
  return body;
}
