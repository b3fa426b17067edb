import { expect, test } from 'vitest';
import { diagnose } from '../../src/findings/diagnosis.ts';
import { DEGRADATIONS } from './degradations.ts';

/** What is called healthy so far, by the rule that is to judge it. Nothing else may be. */
const NOT_YET_JUDGED: Readonly<Record<string, readonly string[]>> = {
  'node-settings, as a remark: someone chose so': [
    'every GPU of h100-sxm: deviceGetEccMode {"current":0,"pending":0}',
  ],
  'pcie-link': [
    'every GPU of h100-sxm: deviceGetCurrPcieLinkWidth 8',
    'every GPU of h100-sxm: PCIe generation 1 of 5, on the bus too',
    'every GPU of h100-sxm: PCIe generation 3 of 5, on the bus too',
  ],
  'pcie-errors': [
    'GPU 3 of h100-sxm, within two seconds: deviceGetPcieReplayCounter 8',
    'GPU 3 of h100-sxm: deviceGetFieldValue pcieReplay 812334',
    'GPU 3 of h100-sxm: deviceGetFieldValue pcieReplayRollover 20000',
    'GPU 3 of h100-sxm: deviceGetFieldValue pcieL0ToRecovery 5000000',
    'GPU 3 of h100-sxm: deviceGetFieldValue pcieCorrectable 900000',
    'GPU 3 of h100-sxm: deviceGetFieldValue pcieNaksReceived 500000',
    'GPU 3 of h100-sxm: deviceGetFieldValue pcieNaksSent 500000',
    'GPU 3 of h100-sxm: deviceGetFieldValue pcieReceiverErrors 500000',
    'GPU 3 of h100-sxm: deviceGetFieldValue pcieBadTlp 500000',
    'GPU 3 of h100-sxm: deviceGetFieldValue pcieBadDllp 500000',
    'GPU 3 of h100-sxm: deviceGetFieldValue pcieNonFatal 40',
    'GPU 3 of h100-sxm: deviceGetFieldValue pcieFatal 4',
    'GPU 3 of h100-sxm: deviceGetFieldValue pcieLcrcErrors 500000',
    'GPU 3 of h100-sxm: deviceGetFieldValue pcieLaneErrors 500000',
    'every GPU of h100-sxm: deviceGetFieldValue pcieFatal 1',
  ],
  'nvlink-down': [
    'every GPU of h100-sxm: deviceGetFieldValue nvlinkState 0',
    'every GPU of gb200: deviceGetFieldValue nvlinkState 0',
    'every GPU of gb200: deviceGetFieldValue nvlinkState 4 0, deviceGetFieldValue nvlinkState 5 0',
    'every GPU of gb300: deviceGetFieldValue nvlinkState 17 0',
    'GPU 3 of h100-sxm: deviceGetFieldValue nvlinkSpeed 5 13281',
    'GPU 3 of h100-sxm: deviceGetFieldValue nvlinkSpeed 13281',
    'every GPU of h100-sxm: deviceGetFieldValue nvlinkSpeed 13281',
    'GPU 3 of b200: deviceGetFieldValue nvlinkSpeed 5 26562',
  ],
  'nvlink-errors': [
    'GPU 3 of h100-sxm: deviceGetFieldValue nvlinkEccDataOfLink 3 4000000',
    'every GPU of h100-sxm: deviceGetFieldValue nvlinkCrc 40000000',
    'GPU 3 of b200: deviceGetFieldValue nvlinkRecoveryEvents 3 50000',
    'GPU 3 of b200: deviceGetFieldValue nvlinkMalformedPackets 3 77000',
    'GPU 3 of b200: deviceGetFieldValue nvlinkReceiveErrors 3 1000000',
    'GPU 3 of b200: deviceGetFieldValue nvlinkLocalIntegrity 3 5000',
    'GPU 3 of b200: deviceGetFieldValue nvlinkTransmitDiscards 3 1000000',
    'GPU 3 of b200, within two seconds: deviceGetFieldValue nvlinkRecoveryEvents 3 2000',
    'GPU 3 of b200, within two seconds: deviceGetFieldValue nvlinkEffectiveErrors 3 2000',
    'GPU 3 of b200, within two seconds: deviceGetFieldValue nvlinkReceiveErrors 3 2000',
  ],
  fabric: [
    'GPU 3 of h100-sxm: deviceGetGpuFabricInfoV3 {"clusterUuid":"0","status":0,"cliqueId":0,"state":0,"healthMask":0,"healthSummary":0}',
    'every GPU of h100-sxm: deviceGetGpuFabricInfoV3 {"clusterUuid":"0","status":0,"cliqueId":0,"state":0,"healthMask":0,"healthSummary":0}',
    'every GPU of gb200: deviceGetGpuFabricInfoV3 {"clusterUuid":"0","status":0,"cliqueId":0,"state":0,"healthMask":0,"healthSummary":0}',
    'every GPU of gb200: deviceGetGpuFabricInfoV3 {"clusterUuid":"00000000000000000000000000000000","status":0,"cliqueId":0,"state":3,"healthMask":426,"healthSummary":1}',
    'GPU 1 of gb200: deviceGetGpuFabricInfoV3 {"clusterUuid":"3c1f6d2a9e8b4f07a5d4c3b2a1908f7e","status":0,"cliqueId":7,"state":3,"healthMask":426,"healthSummary":1}',
    'GPU 1 of gb200: deviceGetGpuFabricInfoV3 {"clusterUuid":"ffffffff9e8b4f07a5d4c3b2a1908f7e","status":0,"cliqueId":32766,"state":3,"healthMask":426,"healthSummary":1}',
  ],
  c2c: [
    'GPU 1 of gb200: deviceGetFieldValue c2cStatus 0 0',
    'GPU 1 of gb200: deviceGetFieldValue c2cStatus 7 0',
    'GPU 1 of gb200: deviceGetFieldValue c2cStatus 0',
    'every GPU of gb200: deviceGetFieldValue c2cStatus 0',
    'GPU 1 of gb200: deviceGetFieldValue c2cErrors 10000000',
    'GPU 1 of gb200: deviceGetFieldValue c2cReplays 10000000',
    'GPU 1 of gb200: deviceGetFieldValue c2cBandwidth 22356',
    'GPU 2 of gb200: deviceGetFieldValue c2cCount not_supported',
  ],
};

test('no single degradation goes for health', async () => {
  const notYet = Object.values(NOT_YET_JUDGED).flat();
  const verdicts = new Map<string, number>();
  const healthy: string[] = [];
  for (const { name, facts } of DEGRADATIONS) {
    const { verdict } = diagnose(await facts());
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    if (verdict === 'healthy') healthy.push(name);
  }
  const figures = [...verdicts].map(([verdict, count]) => `${count} ${verdict}`);
  process.stdout.write(`${DEGRADATIONS.length} single degradations: ${figures.join(', ')}\n`);
  expect(healthy.filter(name => !notYet.includes(name))).toEqual([]);
  expect(DEGRADATIONS.length).toBeGreaterThanOrEqual(120);
});

test('each of them is another one', () => {
  expect(new Set(DEGRADATIONS.map(({ name }) => name)).size).toBe(DEGRADATIONS.length);
});
