"""The same questions as drive.mjs, to clients in Python: python drive.py ADAPTER JOB. Prints one line of JSON."""

import asyncio
import contextlib
import json
import re
import sys
import time

SNAPSHOT = re.compile(r"[a-z0-9-]+@\d{4}-\d\d-\d\dT[\d:.]+Z")


class Sdk:
    """The `mcp` package: the protocol itself."""

    has_progress = True

    def __init__(self, client):
        self.client = client

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, server):
        import httpx2
        from mcp.client.client import Client
        from mcp.client.stdio import StdioServerParameters, stdio_client
        from mcp.client.streamable_http import streamable_http_client

        if "url" in server:
            http = httpx2.AsyncClient(headers=server["headers"], timeout=60)
            transport = streamable_http_client(server["url"], http_client=http)
        else:
            transport = stdio_client(StdioServerParameters(**server))
        async with Client(transport) as client:
            yield cls(client)

    async def list(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, name, args, on_progress=None):
        async def count(*_):
            on_progress()

        handler = count if on_progress else None
        result = await self.client.call_tool(name, args, progress_callback=handler)
        return result.model_dump_json(), bool(result.is_error)


class FastMcp(Sdk):
    """FastMCP's client, started from the JSON that most clients share."""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, server):
        from fastmcp import Client

        async with Client({"mcpServers": {"gpu": server}}) as client:
            yield cls(client)

    async def list(self):
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, name, args, on_progress=None):
        async def count(*_):
            on_progress()

        handler = count if on_progress else None
        result = await self.client.call_tool(name, args, progress_handler=handler)
        return json.dumps(result.structured_content), False


class OpenAiAgents(Sdk):
    """OpenAI's agents, with the strict schemas that its models are given."""

    has_progress = False

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, server):
        from agents.mcp import MCPServerStdio, MCPServerStreamableHttp

        kind = MCPServerStreamableHttp if "url" in server else MCPServerStdio
        async with kind(params=server, client_session_timeout_seconds=60) as client:
            yield cls(client)

    async def list(self):
        self.tools = {tool.name: tool for tool in await self.client.list_tools()}
        return list(self.tools)

    async def call(self, name, args, on_progress=None):
        from agents.mcp.util import MCPUtil
        from agents.tool_context import ToolContext

        if name not in self.tools:
            result = await self.client.call_tool(name, args)
            return result.model_dump_json(), bool(result.is_error)
        tool = MCPUtil.to_function_tool(self.tools[name], self.client, True)
        wanted = tool.params_json_schema.get("required", [])
        given = json.dumps({**{key: None for key in wanted}, **args})
        context = ToolContext(None, tool_name=name, tool_call_id="call", tool_arguments=given)
        return json.dumps(await tool.on_invoke_tool(context, given)), False


ADAPTERS = {"mcp": Sdk, "fastmcp": FastMcp, "openai-agents": OpenAiAgents}


async def asked(client, name, args):
    try:
        model, is_error = await client.call(name, args)
        return {"isError": is_error, "model": model}
    except Exception as error:
        return {"isError": True, "thrown": True, "model": str(error)}


async def cancel(client):
    call = asyncio.ensure_future(client.call("sample_gpu_telemetry", {"seconds": 10}))
    await asyncio.sleep(0.5)
    began = time.monotonic()
    how = "answered" if call.done() else "ended"
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    return {"how": how, "ms": (time.monotonic() - began) * 1000}


async def drive(adapter, job):
    report = {"answers": {}, "progress": None}
    async with ADAPTERS[adapter].open(job["server"]) as client:
        report["tools"] = await client.list()
        snapshot = ""
        for name, args in job["calls"].items():
            given = {key: snapshot if value == "SNAPSHOT" else value for key, value in args.items()}
            answer = report["answers"][name] = await asked(client, name, given)
            found = SNAPSHOT.search(answer["model"])
            snapshot = found[0] if found else snapshot
        if client.has_progress:
            heard = []
            await client.call("sample_gpu_telemetry", {"seconds": 2, "samples": 2}, lambda: heard.append(1))
            report["progress"] = len(heard)
        report["unknown"] = await asked(client, "no_such_tool", {})
        report["wrong"] = await asked(client, "get_gpu_health", {"gpu": "99"})
        report["cancelled"] = await cancel(client)
        report["after"] = await asked(client, "explain_xid", {"query": "79"})
        began = time.monotonic()
    report["closeMs"] = (time.monotonic() - began) * 1000
    print(json.dumps(report))


asyncio.run(drive(sys.argv[1], json.loads(sys.argv[2])))
