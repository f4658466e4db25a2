"""Trades on the simulated futures market with Binance's own Python SDK, its files untouched.

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
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)

from simulated import Events, account

VENUE = "binance_usdm"
SYMBOL = "BTCUSDT"


class UserEvents(Events):
    async def order(self, client_id, execution):
        return await self.wait(
            "OrderTradeUpdate", lambda e: (e.o.c, e.o.x) == (client_id, execution)
        )


def rest_client(line):
    hmac = account(line, VENUE, "hmac")
    return DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(
            api_key=hmac["api_key"], api_secret=hmac["secret"],
            base_path=line["binance_usdm"]["rest"],
        )
    ).rest_api


def touch(client):
    book = client.order_book(symbol=SYMBOL, limit=5).data()
    bid, ask = Decimal(book.bids[0][0]), Decimal(book.asks[0][0])
    assert bid < ask
    return bid, ask


def settings(client):
    info = client.exchange_information().data()
    symbol = next(one for one in info.symbols if one.symbol == SYMBOL)
    assert (symbol.quote_asset, symbol.status) == ("USDT", "TRADING")
    client.change_initial_leverage(symbol=SYMBOL, leverage=10)
    config = client.symbol_configuration(symbol=SYMBOL).data()[0]
    assert (config.leverage, config.margin_type) == (10, "CROSSED")
    mode = client.get_current_position_mode().data()
    assert mode.dual_side_position is False
    rates = client.user_commission_rate(symbol=SYMBOL).data()
    return Decimal(rates.maker_commission_rate), Decimal(rates.taker_commission_rate)


async def orders(line, client, taker_rate):
    bid, ask = touch(client)
    key = client.start_user_data_stream().data().listen_key
    streams = DerivativesTradingUsdsFutures(
        config_ws_streams=ConfigurationWebSocketStreams(
            stream_url=line["binance_usdm"]["ws_public"].removesuffix("/public")
        )
    ).websocket_streams
    await streams.create_connection()
    events = UserEvents()
    (await streams.user_data(key)).on("message", events.take)

    rests = client.new_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTX", quantity="0.010",
        price=str(bid - 100), new_client_order_id="sdk-1",
    ).data()
    assert rests.status == "NEW"
    assert (await events.order("sdk-1", "NEW")).o.i == rests.order_id
    client.modify_order(
        symbol=SYMBOL, side="BUY", quantity="0.020", price=str(bid - 200),
        orig_client_order_id="sdk-1",
    )
    changed = await events.order("sdk-1", "AMENDMENT")
    assert (Decimal(changed.o.q), Decimal(changed.o.p)) == (Decimal("0.020"), bid - 200)
    canceled = client.cancel_order(symbol=SYMBOL, orig_client_order_id="sdk-1").data()
    assert canceled.status == "CANCELED"
    read = client.query_order(symbol=SYMBOL, orig_client_order_id="sdk-1").data()
    assert (read.order_id, read.status) == (rests.order_id, "CANCELED")

    bought = client.new_order(
        symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.050",
        new_client_order_id="sdk-2", new_order_resp_type="RESULT",
    ).data()
    assert bought.status == "FILLED" and Decimal(bought.executed_qty) == Decimal("0.050")
    filled = await events.wait(
        "OrderTradeUpdate", lambda e: e.o.c == "sdk-2" and e.o.X == "FILLED"
    )
    assert Decimal(filled.o.z) == Decimal("0.050")
    trades = client.account_trade_list(symbol=SYMBOL, order_id=bought.order_id).data()
    value = sum(Decimal(trade.price) * Decimal(trade.qty) for trade in trades)
    fees = sum(Decimal(trade.commission) for trade in trades)
    assert abs(fees - value * taker_rate) < Decimal("0.000001") * len(trades)
    position = client.position_information_v3(symbol=SYMBOL).data()[0]
    assert Decimal(position.position_amt) == Decimal("0.050")
    update = await events.wait(
        "AccountUpdate", lambda e: e.a.P and Decimal(e.a.P[0].pa) == Decimal("0.050")
    )
    balance = client.futures_account_balance_v3().data()[0]
    assert Decimal(balance.balance) == Decimal(1_000_000) - fees
    assert Decimal(update.a.B[0].wb) == Decimal(balance.balance)

    stop = client.new_algo_order(
        algo_type="CONDITIONAL", symbol=SYMBOL, side="SELL", type="STOP_MARKET",
        trigger_price=str(bid - 5000), close_position="true", client_algo_id="sdk-stop",
    ).data()
    assert stop.algo_status == "NEW"
    waiting = client.current_all_algo_open_orders(symbol=SYMBOL).data()
    assert [one.client_algo_id for one in waiting] == ["sdk-stop"]
    client.cancel_algo_order(algo_id=stop.algo_id)
    assert client.current_all_algo_open_orders(symbol=SYMBOL).data() == []
    assert client.auto_cancel_all_open_orders(
        symbol=SYMBOL, countdown_time=60_000
    ).data().countdown_time == "60000"
    await streams.close_connection()


async def order_entry(line, bid):
    ed25519 = account(line, VENUE, "ed25519")
    client = DerivativesTradingUsdsFutures(
        config_ws_api=ConfigurationWebSocketAPI(
            api_key=ed25519["api_key"], private_key=ed25519["private_key"],
            stream_url=line["binance_usdm"]["ws_api"],
        )
    ).websocket_api
    await client.create_connection()
    # The SDK's own model of this reply has no levels, so the price comes from REST.
    assert (await client.order_book(symbol=SYMBOL, limit=5)).data().result.last_update_id > 0
    price = bid - 100
    placed = (await client.new_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity="0.010",
        price=str(price), new_client_order_id="ws-1",
    )).data().result
    assert (placed.client_order_id, placed.status) == ("ws-1", "NEW")
    changed = (await client.modify_order(
        symbol=SYMBOL, side="BUY", quantity="0.020", price=str(price - 10),
        orig_client_order_id="ws-1",
    )).data().result
    assert (changed.order_id, Decimal(changed.orig_qty)) == (placed.order_id, Decimal("0.020"))
    canceled = (await client.cancel_order(
        symbol=SYMBOL, orig_client_order_id="ws-1"
    )).data().result
    assert canceled.status == "CANCELED"
    read = (await client.query_order(symbol=SYMBOL, order_id=placed.order_id)).data().result
    assert (read.status, Decimal(read.price)) == ("CANCELED", price - 10)
    await client.close_connection()


def main():
    line = json.loads(sys.stdin.readline())
    client = rest_client(line)
    _, taker_rate = settings(client)
    print("rest: instruments, leverage, modes and rates were read", flush=True)
    asyncio.run(orders(line, client, taker_rate))
    print("orders: placed, modified, cancelled, filled, reported, a stop set", flush=True)
    asyncio.run(order_entry(line, touch(client)[0]))
    print("order entry: placed, modified, cancelled, read", flush=True)


if __name__ == "__main__":
    main()
