//! What holds requests back: full buffers, the venue's limits and its bans.

use super::*;
use crate::registry::VenueBudgets;

#[test]
fn a_full_table_and_a_full_buffer_refuse_without_sending() {
    let mut harness = Harness::new(
        OrderSession::new(&SessionPlan { rate_limit_percent: 10_000, ..plan(SessionKind::Order) }),
        hmac(),
    );
    harness.ok(Input::Start);
    harness.ok(Input::Connected);
    check_account(&mut harness);
    for id in 1..=256 {
        submit(&mut harness, id);
    }
    let full = Outcome::NotSent(RequestKind::Submit, NotSentCause::Full);
    harness.ok(Input::Submit(&order(300)));
    assert_eq!(outcomes(&mut harness), [full]);
    assert_eq!(harness.session.in_flight(), 256);

    let mut harness = ready();
    for id in 1..=200 {
        harness.ok(Input::Submit(&order(id)));
    }
    let found = outcomes(&mut harness);
    assert!(!found.is_empty() && found.iter().all(|outcome| *outcome == full), "{found:?}");
    assert_eq!(harness.sent().len() + found.len(), 200);
    assert_eq!(harness.session.in_flight() + found.len(), 200);
}

#[test]
fn orders_over_the_venues_limit_are_held_back_and_cancels_go() {
    let mut harness = ready();
    for id in 1..=150 {
        let request = submit(&mut harness, id);
        harness.frame(&result(request, id, "NEW", "0")).unwrap();
    }
    harness.reports();
    let counts = r#"{"id":1,"status":400,"error":{"code":-1,"msg":""},"rateLimits":[
        {"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":300,"count":300}]}"#;
    harness.frame(counts).unwrap();
    harness.ok(Input::Submit(&order(900)));
    let held = Outcome::NotSent(RequestKind::Submit, NotSentCause::RateLimit);
    assert_eq!(outcomes(&mut harness), [held]);
    assert!(harness.alerts().contains(&AlertKind::RateLimited));
    harness.ok(Input::Cancel(&cancel(1)));
    assert_eq!(harness.sent().len(), 1);
    harness.advance(Nanos::from_secs(10));
    submit(&mut harness, 901);
}

#[test]
fn a_ban_is_obeyed_by_all_requests_until_it_ends() {
    let mut harness = ready();
    let id = submit(&mut harness, 3);
    let until = harness.now.wall.as_millis() + 120_000;
    harness
        .frame(&format!(
            "{{\"id\":{id},\"status\":418,\"error\":{{\"code\":-1003,\"msg\":\"banned\",\
             \"data\":{{\"retryAfter\":{until}}}}}}}"
        ))
        .unwrap();
    let found = outcomes(&mut harness);
    let [Outcome::Rejected(_, reason)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(reason.class, RejectClass::RateLimit);
    harness.ok(Input::Submit(&order(4)));
    harness.ok(Input::Cancel(&cancel(3)));
    harness.ok(Input::Query(&Query::OpenOrders { account: ACCOUNT }));
    assert!(harness.sent().is_empty());
    assert_eq!(harness.reports().len(), 3);
    harness.advance(Nanos::from_secs(120));
    submit(&mut harness, 5);
}

#[test]
fn a_new_connection_refills_no_budget_and_lifts_no_ban() {
    let budgets = VenueBudgets::new(VenueId::BinanceUsdm, 100);
    let plan = SessionPlan { budgets: Some(budgets), ..plan(SessionKind::Order) };
    let open = || {
        let mut harness = Harness::new(OrderSession::new(&plan), hmac());
        harness.ok(Input::Start);
        harness.ok(Input::Connected);
        check_account(&mut harness);
        harness.alerts();
        harness
    };
    let mut old = open();
    let mut new = open();
    for id in 1..=150 {
        submit(&mut old, id);
        submit(&mut new, 1_000 + id);
    }
    let held = Outcome::NotSent(RequestKind::Submit, NotSentCause::RateLimit);
    for harness in [&mut old, &mut new] {
        harness.ok(Input::Submit(&order(900)));
        assert_eq!(outcomes(harness), [held]);
        harness.advance(Nanos::from_secs(10));
    }
    let until = old.now.wall.as_millis() + 120_000;
    let banned = format!(
        "{{\"id\":null,\"status\":418,\"error\":{{\"code\":-1003,\"msg\":\"banned\",\
         \"data\":{{\"retryAfter\":{until}}}}}}}"
    );
    old.frame(&banned).unwrap();
    new.ok(Input::Submit(&order(901)));
    new.ok(Input::Cancel(&cancel(901)));
    assert_eq!((outcomes(&mut new).len(), new.sent()), (2, Vec::new()));
    new.advance(Nanos::from_secs(120));
    submit(&mut new, 902);
}
