import os, time

def app(environ, start_response):
    if environ['PATH_INFO'] == '/slow':
        time.sleep(0.05)
    start_response('200 OK', [])
    return [str(os.getpid()).encode()]
