import { describe, expect, test } from 'vitest';
import { missing, present } from '../../src/contract/reading.ts';
import type { DriverState, GpuState, NvLink } from '../../src/nvml/port.ts';
import { getNvlinkTopology } from '../../src/tools/catalog/get-nvlink-topology.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsOf } from '../fakes/instruments.ts';

const signal = new AbortController().signal;

/** The instruments of b200, the links of one GPU changed. */
function withLinks(index: number, change: (link: NvLink) => NvLink): Instruments {
  const real = instrumentsOf('b200');
  const changed = (gpu: GpuState): GpuState => {
    if (gpu.index !== index || !gpu.nvlinks.ok) return gpu;
    const { indexes, links } = gpu.nvlinks.value;
    return { ...gpu, nvlinks: present({ indexes, links: links.map(change) }) };
  };
  const read = async (): Promise<DriverState> => {
    const state = await real.nvml.read(signal);
    return { ...state, gpus: state.gpus.map(changed) };
  };
  return { ...real, nvml: { read, warm: () => real.nvml.warm(), close: () => real.nvml.close() } };
}

const ask = async (instruments: Instruments, input: object = {}) => {
  const answer = await answered(getNvlinkTopology, input, instruments);
  expect(getNvlinkTopology.output.parse(answer.structured)).toEqual(answer.structured);
  expect(answer.text).not.toMatch(/undefined|null|NaN|\[object/);
  return answer;
};

describe('get_nvlink_topology', () => {
  test('expects as many links as the device has, and no more', async () => {
    const { structured } = await ask(instrumentsOf('b200'));
    expect(structured['summary']).toContain('All NVLinks of 8 GPUs are active (18 each)');
    expect(structured).toMatchObject({ peerAccess: [] });
  });

  test('names the link that is down, and the matrix counts the others', async () => {
    const down = withLinks(3, link =>
      link.link === 5 ? { ...link, state: present('inactive') } : link,
    );
    const { structured, text } = await ask(down);
    expect(structured).toMatchObject({
      gpus: [
        {},
        {},
        {},
        { index: 3, expected: 18, active: 17, links: [{ link: 5, state: 'inactive' }] },
        {},
        {},
        {},
        {},
      ],
      matrix: { rows: expect.arrayContaining([expect.arrayContaining(['NV17', 'X'])]) },
    });
    expect(structured['summary']).toContain('GPU 3 (17 of 18 active)');
    expect(text.split('\n')[1]).toContain('GPU 3');
  });

  test('a link that sleeps is up; one that cannot be read is not', async () => {
    const asleep = await ask(withLinks(0, link => ({ ...link, state: present('sleep') })));
    expect(asleep.structured).toMatchObject({ gpus: [{ active: 18 }, {}, {}, {}, {}, {}, {}, {}] });
    const unread = await ask(
      withLinks(0, link => ({ ...link, state: missing('timeout') })),
      {
        gpu: '0',
        detail: 'full',
      },
    );
    expect(unread.structured).toMatchObject({ gpus: [{ active: 0 }] });
    expect(unread.text).toContain('link 0  timeout');
  });

  test('adds up the errors of all links by their kind', async () => {
    const noisy = withLinks(1, link => ({
      ...link,
      errors: { ...link.errors, symbol: present(2) },
    }));
    const { structured, text } = await ask(noisy, { gpu: '1' });
    expect(structured).toMatchObject({ gpus: [{ errors: { symbol: 36 } }] });
    expect(text).toContain('errors: symbol 36');
    expect(text).not.toContain('  link ');
  });

  test('names the link that has most of the errors', async () => {
    const noisy = withLinks(1, link => ({
      ...link,
      errors: { ...link.errors, symbol: present(link.link === 7 ? 900 : 1) },
    }));
    const { structured } = await ask(noisy, { gpu: '1' });
    expect(structured).toMatchObject({ gpus: [{ links: [{ link: 7, errors: { symbol: 900 } }] }] });
  });

  test('a machine without NVLink says so, and a lost GPU is no such machine', async () => {
    const { structured } = await ask(instrumentsOf('healthy-t4'));
    expect(structured['summary']).toContain('No GPU here has NVLink');
    const lost = await ask(instrumentsOf('lost-gpu'), { gpu: '3' });
    expect(lost.structured).toMatchObject({ gpus: [{ index: 3, error: 'gpu_is_lost' }] });
    expect(lost.structured['summary']).toContain('No NVLink could be read');
  });
});
