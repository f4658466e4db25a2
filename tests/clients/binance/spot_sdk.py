"""Trades on the simulated spot market with Binance's own Python SDK, its files untouched.

Reads the simulator's first line on standard input. Every assertion is on the library's own
objects; the first that fails ends the script with its traceback and a code that isn't zero.
"""

import asyncio
import json
import sys
from decimal import Decimal

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_common.errors import BadRequestError
from binance_sdk_spot.spot import Spot

from simulated import WITHIN_SECONDS, Events, account

VENUE = "binance_spot"
SYMBOL = "BTCUSDT"


class UserEvents(Events):
    async def report(self, client_id, execution):
        return await self.wait(
            "ExecutionReport", lambda e: (e.c, e.x) == (client_id, execution)
        )


def rest(line):
    endpoints, hmac = line["binance_spot"], account(line, VENUE, "hmac")
    client = Spot(
        config_rest_api=ConfigurationRestAPI(
            api_key=hmac["api_key"], api_secret=hmac["secret"], base_path=endpoints["rest"]
        )
    ).rest_api
    assert client.time().data().server_time > 0
    info = client.exchange_info(symbol=SYMBOL).data().symbols[0]
    assert (info.base_asset, info.quote_asset) == ("BTC", "USDT")
    assert info.amend_allowed and info.cancel_replace_allowed and info.oco_allowed
    book = client.depth(symbol=SYMBOL, limit=5).data()
    bid, ask = Decimal(book.bids[0][0]), Decimal(book.asks[0][0])
    assert bid < ask

    placed = client.new_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity="0.01",
        price=str(bid - 100), new_client_order_id="rest-1",
    ).data()
    assert (placed.status, placed.client_order_id) == ("NEW", "rest-1")
    read = client.get_order(symbol=SYMBOL, orig_client_order_id="rest-1").data()
    assert (read.order_id, Decimal(read.price)) == (placed.order_id, bid - 100)
    assert Decimal(read.orig_qty) == Decimal("0.01") and read.is_working
    amended = client.order_amend_keep_priority(
        symbol=SYMBOL, new_qty="0.004", orig_client_order_id="rest-1",
        new_client_order_id="rest-1",
    ).data()
    assert Decimal(amended.amended_order.qty) == Decimal("0.004")
    replaced = client.order_cancel_replace(
        symbol=SYMBOL, side="BUY", type="LIMIT", cancel_replace_mode="STOP_ON_FAILURE",
        time_in_force="GTC", quantity="0.01", price=str(bid - 200),
        cancel_orig_client_order_id="rest-1", new_client_order_id="rest-2",
    ).data()
    assert (replaced.cancel_result, replaced.new_order_result) == ("SUCCESS", "SUCCESS")
    try:
        client.order_cancel_replace(
            symbol=SYMBOL, side="BUY", type="LIMIT", cancel_replace_mode="STOP_ON_FAILURE",
            time_in_force="GTC", quantity="0.01", price=str(bid - 200),
            cancel_orig_client_order_id="rest-1",
        )
        raise AssertionError("the order is gone, its cancel must fail")
    except BadRequestError as refused:
        assert "-2022" in str(refused), refused
    canceled = client.delete_order(symbol=SYMBOL, orig_client_order_id="rest-2").data()
    assert (canceled.status, canceled.orig_client_order_id) == ("CANCELED", "rest-2")
    balances = {b.asset: b for b in client.get_account(omit_zero_balances=True).data().balances}
    assert all(Decimal(one.locked) == 0 for one in balances.values()), balances
    return bid, ask


async def order_entry(line, ask):
    ed25519 = account(line, VENUE, "ed25519")
    client = Spot(
        config_ws_api=ConfigurationWebSocketAPI(
            api_key=ed25519["api_key"], private_key=ed25519["private_key"],
            stream_url=line["binance_spot"]["ws_api"],
        )
    ).websocket_api
    await client.create_connection()
    logon = (await client.session_logon()).data()
    assert logon.result.api_key == ed25519["api_key"], logon
    events = UserEvents()
    stream = (await client.user_data_stream_subscribe()).stream
    stream.on("message", events.take)

    bought = (await client.order_place(
        symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="IOC", quantity="0.02",
        price=str(ask + 500), new_client_order_id="ws-fill",
    )).data().result
    assert bought.status == "FILLED" and Decimal(bought.executed_qty) == Decimal("0.02"), bought
    fee = sum(Decimal(fill.commission) for fill in bought.fills)
    assert fee == Decimal("0.02") * Decimal("0.001")
    assert {fill.commission_asset for fill in bought.fills} == {"BTC"}
    told = await events.wait("ExecutionReport", lambda e: e.c == "ws-fill" and e.X == "FILLED")
    assert Decimal(told.Z) == Decimal(bought.cummulative_quote_qty)
    trades = (await client.my_trades(symbol=SYMBOL, order_id=bought.order_id)).data().result
    assert [t.id for t in trades] == [fill.trade_id for fill in bought.fills]
    assert sum(Decimal(t.commission) for t in trades) == fee
    assert sum(Decimal(t.qty) for t in trades) == Decimal("0.02")

    rests = (await client.order_place(
        symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity="0.02",
        price=str(ask - 300), new_client_order_id="ws-1",
    )).data().result
    assert (await events.report("ws-1", "NEW")).i == rests.order_id
    await client.order_amend_keep_priority(
        symbol=SYMBOL, new_qty="0.01", order_id=rests.order_id, new_client_order_id="ws-2"
    )
    renamed = await events.report("ws-2", "REPLACED")
    assert (renamed.C, Decimal(renamed.q)) == ("ws-1", Decimal("0.01"))
    replaced = (await client.order_cancel_replace(
        symbol=SYMBOL, cancel_replace_mode="STOP_ON_FAILURE", side="BUY", type="LIMIT",
        time_in_force="GTC", quantity="0.01", price=str(ask - 400),
        cancel_orig_client_order_id="ws-2", cancel_new_client_order_id="ws-cancel",
        new_client_order_id="ws-3",
    )).data().result
    assert (replaced.cancel_result, replaced.new_order_result) == ("SUCCESS", "SUCCESS")
    assert (await events.report("ws-cancel", "CANCELED")).C == "ws-2"
    canceled = (await client.order_cancel(
        symbol=SYMBOL, orig_client_order_id="ws-3"
    )).data().result
    assert canceled.status == "CANCELED"
    read = (await client.order_status(symbol=SYMBOL, orig_client_order_id="ws-3")).data().result
    assert read.status == "CANCELED" and Decimal(read.executed_qty) == 0

    pair = (await client.order_list_place_oco(
        symbol=SYMBOL, side="SELL", quantity="0.01", above_type="LIMIT_MAKER",
        above_price=str(ask + 900), below_type="STOP_LOSS_LIMIT", below_price=str(ask - 950),
        below_stop_price=str(ask - 900), below_time_in_force="GTC",
        list_client_order_id="ws-pair",
    )).data().result
    assert (pair.contingency_type, len(pair.order_reports)) == ("OCO", 2)
    started = await events.wait("ListStatus", lambda e: e.C == "ws-pair")
    assert (started.g, started.l) == (pair.order_list_id, "EXEC_STARTED")
    ended = (await client.order_list_cancel(
        symbol=SYMBOL, order_list_id=pair.order_list_id
    )).data().result
    assert ended.list_order_status == "ALL_DONE"
    await events.wait("ListStatus", lambda e: e.C == "ws-pair" and e.l == "ALL_DONE")

    position = await events.wait("OutboundAccountPosition", lambda e: len(e.B) == 2)
    assert {balance.a for balance in position.B} == {"BTC", "USDT"}
    status = (await client.account_status()).data().result
    held = {b.asset: Decimal(b.free) + Decimal(b.locked) for b in status.balances}
    assert held["BTC"] == Decimal(100) + Decimal("0.02") - fee
    assert held["USDT"] == Decimal(1_000_000) - Decimal(bought.cummulative_quote_qty)
    await client.close_connection()


async def streams(line):
    client = Spot(
        config_ws_streams=ConfigurationWebSocketStreams(
            stream_url=line["binance_spot"]["ws_stream"]
        )
    ).websocket_streams
    await client.create_connection()
    seen = asyncio.get_running_loop().create_future()
    stream = await client.book_ticker(symbol="btcusdt")
    stream.on("message", lambda tick: seen.done() or seen.set_result(tick))
    tick = await asyncio.wait_for(seen, WITHIN_SECONDS)
    assert tick.s == SYMBOL and Decimal(tick.b) < Decimal(tick.a), tick
    await client.close_connection()


def main():
    line = json.loads(sys.stdin.readline())
    _, ask = rest(line)
    print("rest: placed, read, amended, replaced, cancelled", flush=True)
    asyncio.run(order_entry(line, ask))
    print("order entry: logged on, filled, amended, replaced, paired, reported", flush=True)
    asyncio.run(streams(line))
    print("streams: a best price was read", flush=True)


if __name__ == "__main__":
    main()
