//! The gateway and the replicas behind it: detached from the server, so they keep what they have when
//! it dies.

use std::collections::{BTreeMap, BTreeSet};

use qnt9_engine::rollout::{Arm, arms};
use qnt9_model::fact::Counts;
use qnt9_model::order::WantedReplica;
use qnt9_model::{Command, DeploymentId, Order, Place, ReleaseDigest, StreamId};

use crate::audit::Broken;
use crate::random::Random;

use super::process::Quality;
use super::{Event, Letter, MINUTE, Origin, SECOND, World};

/// What it carries and has counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gateway {
    carried: BTreeMap<(StreamId, Place), Carried>,
    replicas: BTreeMap<(StreamId, DeploymentId, u32), Replica>,
    window: u64,
    counted: BTreeMap<(StreamId, DeploymentId, u64), (Counts, Counts, u32)>,
    is_counting: bool,
    /// Deployments that ever had traffic, and those of whose requests none is in flight any more.
    used: BTreeSet<(StreamId, DeploymentId)>,
    drained: BTreeSet<(StreamId, DeploymentId)>,
    /// The same of single replicas that make room for others.
    replicas_drained: BTreeSet<(StreamId, DeploymentId, u32)>,
}

#[derive(Clone, Debug, Default)]
struct Carried {
    generation: u64,
    arms: Vec<Arm>,
}

/// What the gateway is told to carry, on its way to it.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    stream: StreamId,
    order: Order,
    wanted: Vec<(Place, Carried)>,
}

#[derive(Clone, Debug)]
struct Replica {
    release: ReleaseDigest,
    /// Where it answers, once it does.
    address: Option<String>,
}

impl Gateway {
    /// What was counted in a window, of the new release and of the old one, and the new one's share.
    pub(super) fn counted(
        &self,
        stream: &StreamId,
        deployment: DeploymentId,
        window: u64,
    ) -> Option<(Counts, Counts, u32)> {
        self.counted.get(&(stream.clone(), deployment, window)).copied()
    }

    fn carries(&self, stream: &StreamId, deployment: DeploymentId) -> bool {
        let here = self.carried.iter().filter(|((at, _), _)| at == stream);
        here.flat_map(|(_, carried)| &carried.arms).any(|arm| arm.deployment == deployment)
    }

    /// Whether requests are sent to where a replica answers.
    fn sends_to(&self, key: &(StreamId, DeploymentId, u32)) -> bool {
        let replica = self.replicas.get(key);
        let Some(address) = replica.and_then(|replica| replica.address.as_ref()) else {
            return false;
        };
        let here = self.carried.iter().filter(|((at, _), _)| *at == key.0);
        here.flat_map(|(_, carried)| &carried.arms).any(|arm| arm.backends.contains(address))
    }

    /// An address at which nothing answers yet.
    fn free_address(&self, random: &mut Random) -> String {
        let is_taken = |address: &String| {
            self.replicas.values().any(|replica| replica.address.as_ref() == Some(address))
        };
        loop {
            let address = format!("127.0.0.1:{}", 10_000 + random.below(50_000));
            if !is_taken(&address) {
                return address;
            }
        }
    }

    fn has_canary(&self) -> bool {
        self.carried.values().any(|carried| carried.arms.len() > 1)
    }
}

impl World<'_> {
    /// Has the gateway carry what the state says; an older generation than it carries changes nothing.
    pub(super) fn carry_traffic(
        &mut self,
        stream: &StreamId,
        generations: &[(Place, u64)],
        order: &Order,
        random: &mut Random,
    ) -> Result<(), Broken> {
        let Some(server) = &self.server else { return Ok(()) };
        let Some(project) = server.state.projects.get(stream) else { return Ok(()) };
        let mut wanted = Vec::new();
        for (place, generation) in generations {
            let arms = arms(project, place);
            let sum: u32 = arms.iter().map(|arm| arm.percent).sum();
            if sum != 100 && !arms.is_empty() {
                return Err(Broken::new("traffic", format!("{place} carries {sum} % in all")));
            }
            wanted.push((place.clone(), Carried { generation: *generation, arms }));
        }
        let share = Share { stream: stream.clone(), order: order.clone(), wanted };
        let delay = random.between(1..=SECOND + self.swarm.accidents.gateway_slow_ms);
        self.later(delay, Event::Share(Box::new(share)));
        Ok(())
    }

    /// The gateway is told what to carry; until then it carries and counts what it did before.
    pub(super) fn share(&mut self, share: Share, random: &mut Random) {
        let Share { stream, order, wanted } = share;
        let delay = random.between(1..=5 * SECOND);
        for (place, wanted) in wanted {
            let carried = self.gateway.carried.entry((stream.clone(), place.clone())).or_default();
            if carried.generation < wanted.generation {
                let used = wanted.arms.iter().map(|arm| (stream.clone(), arm.deployment));
                self.gateway.used.extend(used);
                *carried = wanted;
            }
            let command = Command::TrafficApplied { place, generation: carried.generation };
            let by = qnt9_model::Actor::Platform;
            let ask = qnt9_model::Ask { stream: stream.clone(), by, command };
            let from = Origin::Arm(Box::new(order.clone()));
            self.later(delay, Event::Arrives(Box::new(Letter::new(ask, from))));
        }
        if self.counts() && !self.gateway.is_counting {
            self.gateway.is_counting = true;
            self.later(15 * SECOND, Event::Window);
        }
    }

    /// The gateway closes a window: it tells what it counted, at least once.
    pub(super) fn window(&mut self, random: &mut Random) -> Result<(), Broken> {
        self.gateway.window += 1;
        let window = self.gateway.window;
        let canaries: Vec<(StreamId, u64, DeploymentId, u32)> = self
            .gateway
            .carried
            .iter()
            .filter(|(_, carried)| carried.arms.len() > 1)
            .map(|((stream, _), carried)| {
                let new = &carried.arms[0];
                (stream.clone(), carried.generation, new.deployment, new.percent)
            })
            .collect();
        for (stream, generation, deployment, percent) in canaries {
            let bad = self.quality(&stream, deployment) != Quality::Good;
            let all = random.below(300);
            let requests = all * u64::from(percent) / 100;
            let new = Counts { requests, bad: if bad { requests / 2 } else { 0 } };
            let old = Counts { requests: all - requests, bad: 0 };
            self.gateway.counted.insert((stream.clone(), deployment, window), (new, old, percent));
            let command = Command::CountWindow { deployment, generation, window, new, old };
            let ask = qnt9_model::Ask { stream, by: qnt9_model::Actor::Platform, command };
            let letter = Letter::new(ask, Origin::Nobody);
            if self.swarm.messages.doubled > 0 && random.chance(150) {
                let again = random.between(50..=5 * SECOND);
                self.later(again, Event::Arrives(Box::new(letter.clone())));
            }
            if self.swarm.messages.late > 0 && random.chance(300) {
                let late = random.between(SECOND..=MINUTE);
                self.later(late, Event::Arrives(Box::new(letter)));
            } else {
                self.send(letter, random);
            }
        }
        self.watch_window(window, random);
        self.gateway.is_counting = self.counts();
        if self.gateway.is_counting {
            self.later(random.between(10 * SECOND..=40 * SECOND), Event::Window);
        }
        Ok(())
    }

    /// Whether anybody asks what the gateway counts.
    fn counts(&self) -> bool {
        self.gateway.has_canary() || !self.watched().is_empty()
    }

    /// The deployments whose releases serve and are watched.
    fn watched(&self) -> Vec<(StreamId, DeploymentId)> {
        let projects = self.server.iter().flat_map(|server| &server.state.projects);
        let of_project = |(stream, project): (&StreamId, &qnt9_engine::state::Project)| {
            let serving = project.places.values().filter_map(|place| place.serving);
            let watched = serving
                .filter(|id| project.deployments.get(id).is_some_and(|d| d.is_watched()))
                .map(|id| (stream.clone(), id));
            watched.collect::<Vec<_>>()
        };
        projects.flat_map(of_project).collect()
    }

    /// Tells what was counted of releases that are watched.
    fn watch_window(&mut self, window: u64, random: &mut Random) {
        for (stream, deployment) in self.watched() {
            let bad = self.quality(&stream, deployment) != Quality::Good || random.chance(20);
            let requests = random.below(100);
            let counts = Counts { requests, bad: if bad { requests / 2 } else { 0 } };
            let slow = if random.chance(20) { requests / 3 } else { 0 };
            let command = Command::WatchWindow { deployment, window, counts, slow };
            let ask = qnt9_model::Ask { stream, by: qnt9_model::Actor::Platform, command };
            self.send(Letter::new(ask, Origin::Nobody), random);
        }
    }

    fn quality(&self, stream: &StreamId, deployment: DeploymentId) -> Quality {
        let range = (stream.clone(), deployment, 0)..=(stream.clone(), deployment, u32::MAX);
        let replica = self.gateway.replicas.range(range).next();
        let release = replica.map(|(_, replica)| replica.release.as_str());
        release.and_then(|r| self.qualities.get(r)).copied().unwrap_or(Quality::Good)
    }

    /// A replica's process ends; it is started again.
    pub(super) fn replica_accident(&mut self, random: &mut Random) {
        if !random.chance(self.swarm.accidents.replica_dies) {
            return;
        }
        let keys: Vec<_> = self.gateway.replicas.keys().cloned().collect();
        let Some(key) = random.one_of(&keys).cloned() else { return };
        if !self.happens(|| format!("replica {} of deployment {} dies", key.2, key.1)) {
            return;
        }
        if let Some(replica) = self.gateway.replicas.get_mut(&key) {
            replica.address = None;
        }
        let (stream, deployment, replica) = key.clone();
        let reason = "its process ended".to_owned();
        let command = Command::ReplicaLost { deployment, replica, reason };
        self.hand_in(&stream, command, Origin::Nobody);
        self.later(random.between(SECOND..=MINUTE), Event::Replica(Box::new(key)));
    }

    /// Has these replicas running and no others. One that still carries traffic is never among the
    /// others.
    pub(super) fn keep_replicas(
        &mut self,
        stream: &StreamId,
        wanted: &[WantedReplica],
        random: &mut Random,
    ) -> Result<(), Broken> {
        let keys: BTreeSet<_> =
            wanted.iter().map(|one| (stream.clone(), one.deployment, one.replica)).collect();
        let running: Vec<_> = self.gateway.replicas.keys().cloned().collect();
        for key in running.into_iter().filter(|key| key.0 == *stream && !keys.contains(key)) {
            let makes_room = self.gateway.replicas_drained.remove(&key);
            if self.gateway.sends_to(&key) || (self.gateway.carries(stream, key.1) && !makes_room) {
                let what = format!("replicas of deployment {} stop while it has traffic", key.1);
                return Err(Broken::new("traffic", what));
            }
            let arm = (stream.clone(), key.1);
            let has_drained = makes_room || self.gateway.drained.contains(&arm);
            if self.gateway.used.contains(&arm) && !has_drained {
                let what = format!("replicas of deployment {} stop before it has drained", key.1);
                return Err(Broken::new("traffic", what));
            }
            self.gateway.replicas.remove(&key);
        }
        for one in wanted {
            let key = (stream.clone(), one.deployment, one.replica);
            match self.gateway.replicas.get(&key).map(|replica| replica.address.clone()) {
                Some(None) => {}
                Some(Some(address)) => {
                    let (deployment, replica) = (one.deployment, one.replica);
                    let command = Command::ReplicaReady { deployment, replica, address };
                    self.hand_in(stream, command, Origin::Nobody);
                }
                None => {
                    let release = one.release.clone();
                    self.gateway.replicas.insert(key.clone(), Replica { release, address: None });
                    self.later(random.between(SECOND..=20 * SECOND), Event::Replica(Box::new(key)));
                }
            }
        }
        Ok(())
    }

    /// A replica's process answers now, or gives up.
    pub(super) fn replica_settles(
        &mut self,
        stream: &StreamId,
        deployment: DeploymentId,
        replica: u32,
        random: &mut Random,
    ) {
        let key = (stream.clone(), deployment, replica);
        let Some(known) = self.gateway.replicas.get(&key) else { return };
        let quality = self.qualities.get(known.release.as_str());
        let command = if quality == Some(&Quality::Dead) {
            let report = "GET /health: expected 200, got connection refused".to_owned();
            Command::ReplicaFailed { deployment, replica, report }
        } else {
            let address = self.gateway.free_address(random);
            if let Some(known) = self.gateway.replicas.get_mut(&key) {
                known.address = Some(address.clone());
            }
            Command::ReplicaReady { deployment, replica, address }
        };
        self.hand_in(stream, command, Origin::Nobody);
    }

    /// Says that nothing of a deployment is in flight any more, once that is so.
    pub(super) fn drain(
        &mut self,
        stream: &StreamId,
        place: &Place,
        deployment: DeploymentId,
        order: &Order,
    ) -> Result<(), Broken> {
        if self.gateway.carries(stream, deployment) {
            let what = format!("deployment {deployment} in {place} drains while it has traffic");
            return Err(Broken::new("traffic", what));
        }
        self.gateway.drained.insert((stream.clone(), deployment));
        let from = Origin::Arm(Box::new(order.clone()));
        self.hand_in(stream, Command::ArmDrained { deployment }, from);
        Ok(())
    }

    /// Says that nothing is in flight to one replica, which gets no requests any more.
    pub(super) fn drain_replica(
        &mut self,
        stream: &StreamId,
        deployment: DeploymentId,
        replica: u32,
        order: &Order,
    ) -> Result<(), Broken> {
        let key = (stream.clone(), deployment, replica);
        if self.gateway.sends_to(&key) {
            let what =
                format!("replica {replica} of deployment {deployment} drains, and has traffic");
            return Err(Broken::new("traffic", what));
        }
        self.gateway.replicas_drained.insert(key);
        let from = Origin::Arm(Box::new(order.clone()));
        self.hand_in(stream, Command::ReplicaDrained { deployment, replica }, from);
        Ok(())
    }
}
