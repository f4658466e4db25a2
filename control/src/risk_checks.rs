//! The ordered list of risk checks, as the engine names them.

/// One check: number, name and what it refuses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RiskCheckRow {
    pub(crate) code: u8,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
}

pub(crate) fn checks() -> impl Iterator<Item = RiskCheckRow> {
    enigma_engine::risk_checks().map(|(code, _, name, description)| RiskCheckRow {
        code,
        name,
        description,
    })
}

/// The name of a check by its number.
pub(crate) fn check_name(code: u8) -> &'static str {
    checks().find(|row| row.code == code).map_or("unknown", |row| row.name)
}
