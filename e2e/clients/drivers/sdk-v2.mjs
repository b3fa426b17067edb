import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

/** `mode` is how it finds the server's era: legacy, auto, or one revision alone. */
export async function open({ command, args, env, url, headers }, mode = 'auto') {
  const versionNegotiation = { mode: /^\d/.test(mode) ? { pin: mode } : mode };
  const client = new Client({ name: 'sdk-v2', version: '1' }, { versionNegotiation });
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
      const result = await client.callTool({ name, arguments: given }, options);
      return { model: result, isError: result.isError === true };
    },
    close: () => client.close(),
  };
}
