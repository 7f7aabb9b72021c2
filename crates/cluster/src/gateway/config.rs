//! What the gateway is told to do: a file that the server replaces as a whole.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use qnt9_model::{DeploymentId, Place};
use serde::{Deserialize, Serialize};

/// The file's name in the gateway's directory.
pub const CONFIG_FILE: &str = "config.json";

/// Everything the gateway carries. Unknown fields are refused, so that a newer server does not
/// believe an older gateway has understood it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Grows with every change of the file; the gateway refuses to go back.
    pub generation: u64,
    /// One per place that takes traffic.
    pub listeners: Vec<Listener>,
}

/// Where a place takes its traffic, and how it is shared out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Whose traffic.
    pub place: Place,
    /// The place's own generation, copied into its journal records.
    pub generation: u64,
    /// Where clients connect. The port must be named: an address that changed at every start would
    /// be no address.
    pub address: SocketAddr,
    /// The deployment that is rolling out here. While there is one, every arm is journaled every
    /// second, also when it had no requests, so that "no data" is seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<DeploymentId>,
    /// The releases that share the traffic. Without any, clients are answered 503.
    pub arms: Vec<Arm>,
}

/// One release's share of a listener's traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Its name, unique in the listener.
    pub arm: String,
    /// Its share is this over the sum of the listener's weights. 0 gets nothing.
    pub weight: u32,
    /// Its replicas. Without any, its share is answered 503.
    pub backends: Vec<SocketAddr>,
}

/// Largest weight of one arm; it keeps the arithmetic of shares far from overflow.
pub const WEIGHT_MAX: u32 = 1_000_000;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the gateway's configuration {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the gateway's configuration {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not what a configuration looks like.
    #[error("the gateway's configuration {path} is not understood")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        #[source]
        source: serde_json::Error,
    },
    /// Two listeners want the same address.
    #[error("{first} and {second} both want the address {address}")]
    AddressTwice {
        /// The address.
        address: SocketAddr,
        /// Who names it first.
        first: Box<Place>,
        /// Who names it again.
        second: Box<Place>,
    },
    /// A listener leaves its port to chance.
    #[error("{place} wants the address {address}, but port 0 names no port")]
    NoPort {
        /// Whose listener.
        place: Place,
        /// The address.
        address: SocketAddr,
    },
    /// A place has two listeners.
    #[error("{place} has more than one listener")]
    PlaceTwice {
        /// The place.
        place: Place,
    },
    /// A listener has two arms of one name.
    #[error("{place} has more than one arm {arm:?}")]
    ArmTwice {
        /// Whose listener.
        place: Place,
        /// The arm.
        arm: String,
    },
    /// A weight is beyond [`WEIGHT_MAX`].
    #[error("arm {arm:?} of {place} has the weight {weight}, the largest is {WEIGHT_MAX}")]
    WeightTooLarge {
        /// Whose listener.
        place: Place,
        /// The arm.
        arm: String,
        /// Its weight.
        weight: u32,
    },
}

impl Config {
    /// Says whether the gateway could carry this, as far as that can be told without the network.
    ///
    /// # Errors
    /// What contradicts itself: an address, place or arm named twice, a port or weight out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut places = BTreeSet::new();
        for (at, listener) in self.listeners.iter().enumerate() {
            let place = || listener.place.clone();
            let address = listener.address;
            if address.port() == 0 {
                return Err(ConfigError::NoPort { place: place(), address });
            }
            if let Some(first) = self.listeners[..at].iter().find(|other| other.address == address)
            {
                let (first, second) = (Box::new(first.place.clone()), Box::new(place()));
                return Err(ConfigError::AddressTwice { address, first, second });
            }
            if !places.insert(&listener.place) {
                return Err(ConfigError::PlaceTwice { place: place() });
            }
            check_arms(listener)?;
        }
        Ok(())
    }
}

fn check_arms(listener: &Listener) -> Result<(), ConfigError> {
    let mut names = BTreeSet::new();
    for Arm { arm, weight, .. } in &listener.arms {
        let (place, arm, weight) = (listener.place.clone(), arm.clone(), *weight);
        if weight > WEIGHT_MAX {
            return Err(ConfigError::WeightTooLarge { place, arm, weight });
        }
        if !names.insert(arm.clone()) {
            return Err(ConfigError::ArmTwice { place, arm });
        }
    }
    Ok(())
}

/// Reads the configuration in a gateway's directory; `None` when there is none yet.
///
/// # Errors
/// The file cannot be read, is not understood or contradicts itself.
pub fn read_config(dir: &Path) -> Result<Option<Config>, ConfigError> {
    let path = dir.join(CONFIG_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ConfigError::Read { path, source }),
    };
    let config: Config = serde_json::from_slice(&bytes)
        .map_err(|source| ConfigError::Syntax { path: path.clone(), source })?;
    config.check()?;
    Ok(Some(config))
}

/// Replaces the configuration in a gateway's directory. A reader, also after a crash at any instant,
/// sees either the old file or the new one.
///
/// # Errors
/// The configuration contradicts itself (nothing is written) or the file cannot be written.
pub fn write_config(dir: &Path, config: &Config) -> Result<(), ConfigError> {
    config.check()?;
    let path = dir.join(CONFIG_FILE);
    replace_file(dir, &path, config).map_err(|source| ConfigError::Write { path, source })
}

fn replace_file(dir: &Path, path: &Path, config: &Config) -> io::Result<()> {
    let new = dir.join(format!("{CONFIG_FILE}.new"));
    let mut file = File::create(&new)?;
    serde_json::to_writer_pretty(&mut file, config)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // The rename itself is durable only once the directory is.
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests;
