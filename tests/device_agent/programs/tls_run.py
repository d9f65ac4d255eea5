"""One request over TLS with a pinned CA: says the status, or that the server was not believed.

tls_run.py BASE CA
"""

import sys

from agent.http import Link
from agent.sockets import Stream


def main():
    with open(sys.argv[2], "rb") as file:
        ca = file.read()
    tended = []
    link = Link(lambda: Stream(sys.argv[1], ca, lambda: tended.append(1)))
    try:
        answer = link.request("POST", "/x", {"A": "b"}, 5, lambda put: put(b"hello"))
    except OSError as error:
        sys.stdout.write("ok refused%s\n" % str(error).replace("\n", " "))
        return
    assert tended
    sys.stdout.write("ok %d %s\n" % (answer.status, answer.body.decode()))


main()
