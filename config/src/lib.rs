//! Settings: the raw file's shape and the checked settings made from it.
//!
//! Reads a file and nothing else: the environment and the working directory are arguments. No key
//! anywhere takes a secret, and none is ever to be added here.

mod error;
mod load;
mod nearest;
mod overlay;
mod positions;
mod raw;
mod settings;
mod store;
mod surroundings;

pub use error::{ConfigError, Place, Problem};
pub use load::{CommandLine, Loaded, Row, load};
pub use nearest::nearest;
pub use raw::{Environment, LogFormat, Market, Transport, Waiting};
pub use settings::{
    DaemonSettings, EngineSettings, Host, JournalSettings, MarketSource, Settings,
    SimulatorSettings, Speed, VenueSettings,
};
pub use store::{StorePassword, StoreSettings};
pub use surroundings::Surroundings;
