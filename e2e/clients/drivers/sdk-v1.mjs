import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

export async function open({ command, args, env, url, headers }) {
  const client = new Client({ name: 'sdk-v1', version: '1' });
  await client.connect(
    url
      ? new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } })
      : new StdioClientTransport({ command, args, env, stderr: 'ignore' }),
  );
  return {
    hasProgress: true,
    cancels: true,
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    async call(name, given, { signal, onProgress }) {
      const options = { signal, onprogress: onProgress };
      const result = await client.callTool({ name, arguments: given }, undefined, options);
      return { model: result, isError: result.isError === true };
    },
    close: () => client.close(),
  };
}
