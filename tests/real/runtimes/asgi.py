import asyncio, os

async def app(scope, receive, send):
    if scope['type'] != 'http':
        raise NotImplementedError
    if scope['path'] == '/slow':
        await asyncio.sleep(0.05)
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': str(os.getpid()).encode()})
