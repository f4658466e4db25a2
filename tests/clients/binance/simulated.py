"""What both of Binance's SDK scripts need of the simulator: its accounts, and its user events."""

import asyncio

WITHIN_SECONDS = 20


def account(line, venue, key_type):
    for one in line["accounts"]:
        if (one["venue"], one["role"], one["key_type"]) == (venue, "trade", key_type):
            return one
    raise AssertionError(f"no trading account with {key_type}")


class Events:
    """User events as the SDK hands them over, each under its type."""

    def __init__(self):
        self.all = []

    def take(self, event):
        self.all.append(getattr(event, "actual_instance", None) or event)

    async def wait(self, name, wanted):
        for _ in range(WITHIN_SECONDS * 20):
            for event in self.all:
                if type(event).__name__ == name and wanted(event):
                    return event
            await asyncio.sleep(0.05)
        raise AssertionError(f"no {name} came: {self.all}")
