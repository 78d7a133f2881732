"""Takes a WebSocket, leaves it told which headers it came with, and its own frames said back. For real servers."""

import json
from typing import Any


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
    await send({"type": "websocket.send", "text": json.dumps(headers)})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(len(event.get("text") or event.get("bytes") or ""))})
