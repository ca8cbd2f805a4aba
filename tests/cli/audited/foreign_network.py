"""Not auditable: it asks somebody."""

import socket
from contextlib import suppress

from zipline.api import order, symbol


def initialize(context):
    with suppress(OSError), socket.socket() as line:
        line.settimeout(0.01)
        line.connect(("127.0.0.1", 9))


def handle_data(context, data):
    order(symbol("AAA"), 1)
