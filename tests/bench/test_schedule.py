"""The open loop sends on time, one request a device at a time, and charges a stalled service for it."""

import socket
import threading

import pytest

from bench.generator import BrokenAnswer
from bench.schedule import Answers, Device, Talk, drive_on_time

DONE = b"HTTP/1.1 204 No Content\r\n\r\n"
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def server():
    """Give a function that starts a server: each connection gets the answers that a function gives."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def serve(connection, answer_to, closing):
        with connection:
            number = 0
            while connection.recv(65_536):
                answer = answer_to(number)
                if answer is None:
                    return
                connection.sendall(answer)
                number += 1
                if closing:
                    return

    def accept(answer_to, closing):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection, answer_to, closing), daemon=True))
            threads[-1].start()

    def start(answer_to, *, closing=False):
        thread = threading.Thread(target=accept, args=(answer_to, closing), daemon=True)
        thread.start()
        return listener.getsockname()

    yield start
    listener.close()


def requests(*due_s):
    """Give requests at these times."""
    return iter([(at, b"GET / HTTP/1.1\r\n\r\n") for at in due_s])


def test_answers_are_counted_by_group(server):
    """Statuses and latencies belong to the group of the device; refusals are kept with their heads."""
    address = server(lambda number: DONE if number % 2 == 0 else BUSY)

    found = drive_on_time(
        address, [Device("a", requests(0, 0.01, 0.02)), Device("b", requests(0)), Device("b", requests(0.01))]
    )

    assert found["a"].statuses == {204: 2, 429: 1}
    assert found["b"].statuses == {204: 2}
    assert found["a"].done == 2
    assert [(status, body) for status, _, body in found["a"].refusals] == [(429, b"{}")]
    assert b"Retry-After: 3" in found["a"].refusals[0][1]


def test_a_stall_is_charged_to_what_was_due(server):
    """A device whose answer is late sends its next request late, and that one counts from when it was due."""
    released = threading.Event()
    timer = threading.Timer(0.2, released.set)

    def answer_to(number):
        if number == 0:
            released.wait(5)
        return DONE

    address = server(answer_to)
    timer.start()

    found = drive_on_time(address, [Device("a", requests(0, 0.001, 0.002))])

    assert found["a"].done == 3
    assert min(found["a"].latencies_ns) > 0.15e9


def test_a_closed_connection_is_no_answer(server):
    """A service that hangs up in the middle breaks the measurement."""
    address = server(lambda number: DONE if number == 0 else None)

    with pytest.raises(BrokenAnswer):
        drive_on_time(address, [Device("a", requests(0, 0.01))])


def test_who_was_hung_up_on_between_requests_connects_again(server):
    """A service closes connections after a refusal; the device sends its next request over a new one."""
    address = server(lambda number: BUSY if number == 0 else None, closing=True)

    found = drive_on_time(address, [Device("a", requests(0, 0.05, 0.1))])

    assert found["a"].statuses == {429: 3}


def test_a_talk_is_told_each_answer_before_it_goes_on(server):
    """What a client sends next may depend on what it was answered; it ends where the talk ends."""
    address = server(lambda number: DONE if number == 0 else BUSY)
    told = []

    def talk():
        for number in range(2):
            status, _, body = yield 0.0, b"GET /%d HTTP/1.1\r\n\r\n" % number
            told.append((status, body))

    found = drive_on_time(address, [Talk(talk()).as_device("a")])

    assert told == [(204, b""), (429, b"{}")]
    assert found["a"].statuses == {204: 1, 429: 1}


def test_nothing_came_back():
    """Without answers a quantile is nothing."""
    assert Answers().quantile_ms(0.99) == 0.0
