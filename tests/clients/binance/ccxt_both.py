"""Trades on both simulated markets with ccxt and ccxt.pro, their files untouched.

Reads the simulator's first line on standard input. Every assertion is on what the library
returns; the first that fails ends the script with its traceback and a code that isn't zero.
"""

import asyncio
import json
import sys

import ccxt
import ccxt.pro

WITHIN_SECONDS = 20
SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


def account(line, venue):
    for one in line["accounts"]:
        if (one["venue"], one["role"], one["key_type"]) == (venue, "trade", "hmac"):
            return one
    raise AssertionError(f"no trading account of {venue}")


def exchange(line, venue, kind):
    """A ccxt.pro exchange whose addresses are the simulator's."""
    key, spot, usdm = account(line, venue), line["binance_spot"], line["binance_usdm"]
    made = ccxt.pro.binance({
        "apiKey": key["api_key"], "secret": key["secret"],
        "options": {
            "defaultType": kind, "fetchCurrencies": False, "fetchMargins": False,
            "fetchMarkets": {"types": ["spot" if kind == "spot" else "linear"]},
        },
    })
    made.urls["api"].update({
        "public": spot["rest"] + "/api/v3", "private": spot["rest"] + "/api/v3",
        "sapi": spot["rest"] + "/sapi/v1",
        "fapiPublic": usdm["rest"] + "/fapi/v1", "fapiPublicV2": usdm["rest"] + "/fapi/v2",
        "fapiPrivate": usdm["rest"] + "/fapi/v1", "fapiPrivateV2": usdm["rest"] + "/fapi/v2",
        "fapiPrivateV3": usdm["rest"] + "/fapi/v3",
    })
    streams = usdm["ws_public"].removesuffix("/public")
    made.urls["api"]["ws"]["spot"] = spot["ws_stream"] + "/ws"
    made.urls["api"]["ws"]["linear"] = streams + "/ws"
    made.urls["api"]["ws"]["future"] = streams + "/ws"
    made.urls["api"]["ws"]["ws-api"] = {"spot": spot["ws_api"], "future": usdm["ws_api"]}
    return made


async def within(awaited):
    return await asyncio.wait_for(awaited, WITHIN_SECONDS)


async def refused(awaited, kind):
    try:
        await awaited
    except kind as error:
        return str(error)
    raise AssertionError(f"{kind.__name__} was expected")


async def trade_spot(line):
    client = exchange(line, "binance_spot", "spot")
    try:
        market = (await client.load_markets())[SPOT]
        assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
        book = await client.fetch_order_book(SPOT, 5)
        bid, ask = book["bids"][0][0], book["asks"][0][0]
        watched = asyncio.create_task(client.watch_orders(SPOT))
        await asyncio.sleep(1)
        rests = await client.create_order(SPOT, "limit", "buy", 0.01, bid - 100)
        assert (rests["status"], rests["amount"], rests["price"]) == ("open", 0.01, bid - 100)
        told = (await within(watched))[-1]
        assert (told["id"], told["status"]) == (rests["id"], "open"), told
        edited = await client.edit_order(rests["id"], SPOT, "limit", "buy", 0.02, bid - 200)
        assert (edited["amount"], edited["price"]) == (0.02, bid - 200), edited
        read = await client.fetch_order(rests["id"], SPOT)
        assert read["status"] == "canceled", "an edit is a cancel and a new order"
        assert [o["id"] for o in await client.fetch_open_orders(SPOT)] == [edited["id"]]
        gone = await client.cancel_order(edited["id"], SPOT)
        assert gone["status"] == "canceled"
        await refused(client.cancel_order(edited["id"], SPOT), ccxt.OrderNotFound)
        maker = client.create_order(SPOT, "limit", "buy", 0.01, ask + 10, {"postOnly": True})
        await refused(maker, ccxt.OrderImmediatelyFillable)
        await refused(
            client.create_order(SPOT, "limit", "buy", 100, bid), ccxt.InsufficientFunds
        )
        bought = await client.create_order(SPOT, "market", "buy", 0.05)
        assert (bought["status"], bought["filled"]) == ("closed", 0.05)
        trades = await client.fetch_my_trades(SPOT)
        fee = sum(trade["fee"]["cost"] for trade in trades)
        assert {trade["fee"]["currency"] for trade in trades} == {"BTC"}
        assert abs(fee - 0.00005) < 1e-12, fee
        balance = await client.fetch_balance()
        assert abs(balance["BTC"]["total"] - (100 + 0.05 - fee)) < 1e-9
        stop = await client.create_order(
            SPOT, "limit", "sell", 0.01, bid - 600, {"stopLossPrice": bid - 500}
        )
        assert (await client.fetch_order(stop["id"], SPOT))["stopPrice"] == bid - 500
        assert len(await client.cancel_all_orders(SPOT)) == 1
    finally:
        await client.close()


async def trade_swap(line):
    client = exchange(line, "binance_usdm", "swap")
    try:
        market = (await client.load_markets())[SWAP]
        assert (market["precision"]["price"], market["precision"]["amount"]) == (0.1, 0.001)
        book = await client.fetch_order_book(SWAP, 5)
        bid, ask = book["bids"][0][0], book["asks"][0][0]
        assert (await client.set_leverage(10, SWAP))["leverage"] in (10, "10")
        watched = asyncio.create_task(client.watch_orders(SWAP))
        await asyncio.sleep(1)
        rests = await client.create_order(SWAP, "limit", "buy", 0.01, bid - 100)
        told = (await within(watched))[-1]
        assert (told["id"], told["status"]) == (rests["id"], "open"), told
        edited = await client.edit_order(rests["id"], SWAP, "limit", "buy", 0.02, bid - 200)
        assert (edited["id"], edited["amount"]) == (rests["id"], 0.02), "it keeps its id"
        assert (await client.cancel_order(rests["id"], SWAP))["status"] == "canceled"
        maker = client.create_order(SWAP, "limit", "buy", 0.01, ask + 10, {"postOnly": True})
        # ccxt knows futures' codes by the venue's own host alone: here they are plain errors.
        assert "-5022" in await refused(maker, ccxt.ExchangeError)
        reduces = client.create_order(SWAP, "market", "sell", 0.01, None, {"reduceOnly": True})
        assert "-2022" in await refused(reduces, ccxt.ExchangeError)
        await client.create_order(SWAP, "market", "buy", 0.05)
        position = (await client.fetch_positions([SWAP]))[0]
        assert (position["side"], position["contracts"]) == ("long", 0.05), position
        trades = await client.fetch_my_trades(SWAP)
        assert abs(sum(trade["amount"] for trade in trades) - 0.05) < 1e-12
        stop = await client.create_order(
            SWAP, "market", "sell", 0.05, None, {"stopLossPrice": bid - 500, "reduceOnly": True}
        )
        assert stop["status"] == "open", stop
        gone = await client.cancel_order(stop["id"], SWAP, {"trigger": True})
        assert gone["id"] == stop["id"]
        rate = await client.fetch_funding_rate(SWAP)
        assert rate["fundingRate"] == 0.0001 and rate["fundingTimestamp"] > client.milliseconds()
    finally:
        await client.close()


def main():
    line = json.loads(sys.stdin.readline())
    asyncio.run(trade_spot(line))
    print("spot: rested, edited, cancelled, filled, refused and reported", flush=True)
    asyncio.run(trade_swap(line))
    print("futures: rested, modified, cancelled, filled, a stop set, reported", flush=True)


if __name__ == "__main__":
    main()
