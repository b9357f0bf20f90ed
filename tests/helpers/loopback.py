"""A web server on this machine that gives the answers, good and bad, that a download may get."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


class Server(ThreadingHTTPServer):
    """Answers every request as ``answer`` says, a function of the request's handler. As a context it runs.

    url: its address, without a slash at the end; requests: the paths asked for so far.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answer = missing
        self.requests, self.closing = [], Event()
        self.thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.closing.set()
        self.shutdown()
        self.server_close()
        self.thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        self.server.answer(self)

    do_POST = do_HEAD = do_GET

    def log_message(self, *args):
        pass


def missing(request):
    """Status 404."""
    request.send_error(404)


def sending(content: bytes, declared: int | None = None):
    """Status 200 and the content, of the declared length."""

    def answer(request):
        request.send_response(200)
        request.send_header("Content-Length", str(declared or len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer


def stalling(sent: bytes):
    """Nothing after the first bytes until the server closes."""

    def answer(request):
        if sent:
            sending(sent, declared=1000)(request)
        request.server.closing.wait(30)

    return answer


def endless(request):
    """Zeros until the client hangs up."""
    request.send_response(200)
    request.end_headers()
    try:
        while not request.server.closing.is_set():
            request.wfile.write(bytes(1 << 20))
    except OSError:
        pass


def redirecting(to: str, content: bytes | None):
    """302 to another path, where the content is, if any."""

    def answer(request):
        if content and request.path == to:
            return sending(content)(request)
        request.send_response(302)
        request.send_header("Location", to)
        request.send_header("Content-Length", "0")
        return request.end_headers()

    return answer
