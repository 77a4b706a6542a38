"""What can go wrong between a client and an S3 store, for the scripted server: each fault is a function of an exchange, which
can `commit()` (carry the request out and get the answer), `send()`, `reset()` and `close()`."""

import contextlib
import time

from .s3_objects import Answer, error


def half_body(exchange):
    """The answer breaks off in the middle of its body, or of its head where it has none."""
    head, body = exchange.written(exchange.commit())
    exchange.send_bytes(head + body[:len(body) // 2] if body else head[:len(head) // 2])
    exchange.close()


def reset_before(exchange):
    """The request was read, nothing was done, the connection is reset."""
    exchange.reset()


def reset_after(exchange):
    """It was done, and the connection is reset."""
    exchange.commit()
    exchange.reset()


def lost_reply(exchange):
    """It was done, and the connection is closed without a word."""
    exchange.commit()
    exchange.close()


def reset_in_upload(exchange):
    """The connection is reset while the client still sends."""
    exchange.reset()


reset_in_upload.before_body = True


def early_refusal(exchange):
    """An answer before the body was read, then the end: a client that sends on meets a reset."""
    exchange.send(error(503, "SlowDown"))
    exchange.reset()


early_refusal.before_body = True


def slow(bytes_per_second=1024):
    """It is done, and the answer trickles."""
    def fault(exchange):
        head, body = exchange.written(exchange.commit())
        exchange.trickle(head + body, bytes_per_second)
    return fault


def slow_upload(bytes_per_second=1024):
    """The body is taken at this rate; a client that waits long enough gets its answer."""
    def fault(exchange):
        exchange.read_body(bytes_per_second)
        exchange.proceed()
    fault.before_body = True
    return fault


def hang(committed=False):
    """No answer, on a connection that stays, until the server goes down or cuts it."""
    def fault(exchange):
        if committed:
            exchange.commit()
        exchange.wait_for_end()
    return fault


def delay(seconds):
    """It is done, later."""
    def fault(exchange):
        time.sleep(seconds)
        exchange.send(exchange.commit())
    return fault


def answer(status, code, message="", headers=None, *, committed=False, **elements):
    """An error, by its status and S3's name; `committed`: although it was done."""
    def fault(exchange):
        if committed:
            exchange.commit()
        exchange.send(error(status, code, message, headers, **elements))
    return fault


def error_in_200(code="InternalError", *, committed=False):
    """The status says that all is well and the body that it is not."""
    def fault(exchange):
        if committed:
            exchange.commit()
        said = error(200, code, "We encountered an internal error. Please try again.")
        exchange.send(said)
    return fault


def html_502(exchange):
    """Something on the way answers instead of the store."""
    exchange.send(Answer(502, {"content-type": "text/html"}, b"<html><body><h1>502 Bad Gateway</h1></body></html>"))


def wrong_bytes(exchange):
    """One bit of the body is another; all else is as if it were right."""
    said = exchange.commit()
    body = bytearray(said.body)
    if body:
        body[len(body) // 2] ^= 1
    exchange.send(Answer(said.status, said.headers, bytes(body)))


def broken_xml(exchange):
    """The document ends in the middle, and the length agrees."""
    said = exchange.commit()
    exchange.send(Answer(said.status, said.headers, said.body[:len(said.body) // 2]))


def not_http(exchange):
    """What answers is no HTTP server."""
    with contextlib.suppress(OSError):
        exchange.send_bytes(b"220 ready for mail\r\n")
    exchange.close()


def wrong_region(region):
    """The bucket is elsewhere. Nobody may follow with the same signature."""
    return answer(301, "PermanentRedirect", "The bucket must be addressed using another endpoint",
                  {"x-amz-bucket-region": region}, Endpoint="elsewhere.invalid")


CONFLICT = answer(409, "ConditionalRequestConflict", "A conflicting conditional operation is ongoing")
PRECONDITION_FAILED = answer(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold",
                             Condition="If-None-Match")
SLOW_DOWN = answer(503, "SlowDown", "Please reduce your request rate.", {"retry-after": "1"})
SERVICE_UNAVAILABLE = answer(503, "ServiceUnavailable")
INTERNAL_ERROR = answer(500, "InternalError", "We encountered an internal error. Please try again.")
TOO_MANY = answer(429, "TooManyRequests")
REQUEST_TIMEOUT = answer(400, "RequestTimeout", "Your socket connection to the server was not read from or written to "
                                                "within the timeout period.")
ACCESS_DENIED = answer(403, "AccessDenied", "Access Denied")
NO_SUCH_BUCKET = answer(404, "NoSuchBucket", "The specified bucket does not exist")
