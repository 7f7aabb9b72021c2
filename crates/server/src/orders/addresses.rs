//! Chooses the address under which an environment's service is reached.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use qnt9_model::fact::Entrance;
use qnt9_model::{Command, Place, StreamId};

use super::OrderError;
use crate::Core;

/// Ports tried before giving up.
const PORTS_TRIED_MAX: u16 = 200;

/// The first free port from the configured one on, in the order of `qnt9.toml`'s environments. The
/// address is kept for good once it is in the log.
pub(super) async fn assign(
    core: &Core,
    stream: &StreamId,
    place: &Place,
    entrance: Entrance,
) -> Result<(), OrderError> {
    let (index, taken) = core.read(|state| {
        let taken: BTreeSet<String> = state
            .projects
            .values()
            .flat_map(|project| project.places.values())
            .flat_map(|place| [place.address.clone(), place.preview.clone()])
            .flatten()
            .collect();
        let policy = state.projects.get(stream).and_then(|project| project.policy.as_ref());
        let environments = policy.map(|(_, policy)| &policy.environments);
        let index =
            environments.and_then(|all| all.iter().position(|e| e.name == place.environment));
        (u16::try_from(index.unwrap_or(0)).unwrap_or(0), taken)
    });
    let first = core.config().first_environment_port.saturating_add(index);
    let address = (first..first.saturating_add(PORTS_TRIED_MAX))
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .filter(|address| !taken.contains(&address.to_string()))
        .find(|address| TcpListener::bind(address).is_ok())
        .ok_or_else(|| OrderError::Outside(format!("no free port from {first} on for {place}")))?;
    let (place, address) = (place.clone(), address.to_string());
    let command = Command::AssignAddress { place, entrance, address };
    core.tell(stream, command).await?;
    Ok(())
}
