import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CAPTURE_TOOL } from '../contract/capture-tool.ts';
import { UsageError } from '../contract/errors.ts';
import { ANSWER_BYTES_MAX } from '../contract/limits.ts';
import { ClockRequest } from '../mcp/clock.ts';
import { sentFacts } from '../mcp/results.ts';
import { createToolServer } from '../mcp/tool-server.ts';
import { TOOLS } from '../tools/index.ts';
import { provenanceOf } from '../tools/instruments.ts';
import { listed } from '../tools/listing.ts';
import type { CaptureAnswers } from './capture-node.ts';
import type { AgentInstruments } from './open-instruments.ts';

/** The agent's MCP server: every tool, answered from this node's instruments. Unconnected. */
export function createAgentServer(instruments: AgentInstruments): Server {
  const capture = captureOf(instruments);
  const server = createToolServer({
    name: 'gpu-mcp-agent',
    instructions: 'Reads one GPU node. Spoken to by kubectl gpu-mcp.',
    tools: async () => TOOLS.map(listed),
    names: async () => [...TOOLS.map(({ name }) => name), CAPTURE_TOOL],
    async call({ tool: name, input, signal, progress }) {
      if (name === CAPTURE_TOOL) return (await capture())(input, signal, progress);
      const tool = TOOLS.find(other => other.name === name);
      if (!tool) throw new UsageError(`there is no tool "${name}"`);
      const facts = await tool.question(input).observe({ ...instruments, progress }, signal);
      const bytes = Buffer.byteLength(JSON.stringify(facts));
      if (bytes > ANSWER_BYTES_MAX) {
        throw new UsageError(
          `the answer of "${name}" would be ${Math.ceil(bytes / 1024)} KiB, more than a client takes`,
          'ask for less: one gpu, a shorter time, a smaller limit',
        );
      }
      return sentFacts(facts, provenanceOf(instruments));
    },
  });
  server.setRequestHandler(ClockRequest, () => ({ nowMs: instruments.clock.nowMs() }));
  return server;
}

/** Loaded when it is first asked for: most sessions take no bundle. */
function captureOf(instruments: AgentInstruments) {
  let answering: Promise<CaptureAnswers> | undefined;
  return () => {
    answering ??= import('./capture-node.ts').then(({ captureAnswers }) =>
      captureAnswers(instruments),
    );
    return answering;
  };
}
