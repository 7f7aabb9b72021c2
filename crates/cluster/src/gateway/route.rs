//! How one place's traffic is shared out right now, and what is in flight.
//!
//! A [`Route`] never changes: a switch puts another in its place. What must outlive a switch, the
//! count of an arm's requests in flight and the connections to a backend, is shared between the old
//! route and the new.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use qnt9_model::{DeploymentId, Place};

use super::Listener;
use super::journal::Record;
use super::shares::Shares;
use super::sketch::Sketch;
use super::upstream::Backend;

/// A client that leaves sooner than this without an answer has changed its mind; one that waited
/// longer was failed by the arm.
const ABANDONED_AFTER: Duration = Duration::from_secs(1);

/// One generation's shares of a place's traffic.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) place: Place,
    pub(super) generation: u64,
    pub(super) rollout: Option<DeploymentId>,
    pub(super) arms: Vec<RouteArm>,
    shares: Mutex<Shares>,
}

/// One arm in one generation.
#[derive(Debug)]
pub(super) struct RouteArm {
    pub(super) arm: Arc<Arm>,
    pub(super) weight: u32,
    pub(super) backends: Vec<Arc<Backend>>,
    /// Grows with every choice, so that equally busy backends take turns.
    turn: AtomicUsize,
    window: Mutex<Window>,
}

/// A release at a place, across all generations that name it.
#[derive(Debug, Default)]
pub(super) struct Arm {
    pub(super) name: String,
    pub(super) in_flight: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) bad: AtomicU64,
}

#[derive(Debug, Default)]
struct Window {
    requests: u64,
    bad: u64,
    latency: Sketch,
}

impl Route {
    /// The route a listener asks for. Arms that `arm` knows and backends that `backend` knows (by
    /// the arm's name and the address) go on as they are.
    pub(super) fn new(
        listener: &Listener,
        arm: impl Fn(&str) -> Option<Arc<Arm>>,
        backend: impl Fn(&str, SocketAddr) -> Option<Arc<Backend>>,
    ) -> Self {
        let arms = listener.arms.iter().map(|wanted| RouteArm {
            arm: arm(&wanted.arm)
                .unwrap_or_else(|| Arc::new(Arm { name: wanted.arm.clone(), ..Arm::default() })),
            weight: wanted.weight,
            backends: (wanted.backends.iter())
                .map(|address| {
                    backend(&wanted.arm, *address)
                        .unwrap_or_else(|| Arc::new(Backend::new(*address)))
                })
                .collect(),
            turn: AtomicUsize::new(0),
            window: Mutex::default(),
        });
        Self {
            place: listener.place.clone(),
            generation: listener.generation,
            rollout: listener.rollout,
            arms: arms.collect(),
            shares: Mutex::new(Shares::new(listener.arms.iter().map(|arm| arm.weight))),
        }
    }

    /// A route that no request takes.
    pub(super) fn nowhere(place: Place) -> Self {
        let (arms, shares) = (Vec::new(), Mutex::new(Shares::new([])));
        Self { place, generation: 0, rollout: None, arms, shares }
    }

    pub(super) fn backends(&self) -> impl Iterator<Item = &Arc<Backend>> {
        self.arms.iter().flat_map(|arm| &arm.backends)
    }

    /// Whether one of its arms names this backend.
    pub(super) fn names(&self, backend: SocketAddr) -> bool {
        self.backends().any(|known| known.address == backend)
    }

    /// Requests that the backend is working on.
    pub(super) fn in_flight(&self, backend: SocketAddr) -> u64 {
        let known = self.backends().filter(|known| known.address == backend);
        known.map(|known| known.in_flight()).max().unwrap_or(0)
    }

    /// The arm whose turn it is; `None` when none carries traffic.
    pub(super) fn choose(&self) -> Option<usize> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    pub(super) fn arm(&self, name: &str) -> Option<&RouteArm> {
        self.arms.iter().find(|arm| arm.arm.name == name)
    }

    /// Takes what was counted since the last call, one record per arm that had requests, or per arm
    /// when `idle_too`.
    pub(super) fn take_window(&self, window: u64, at_ms: i64, idle_too: bool) -> Vec<Record> {
        let take = |arm: &RouteArm| {
            let mut counted = arm.window.lock().unwrap_or_else(PoisonError::into_inner);
            let Window { requests, bad, latency } = std::mem::take(&mut *counted);
            (requests > 0 || idle_too).then(|| Record {
                window,
                at_ms,
                place: self.place.clone(),
                generation: self.generation,
                rollout: self.rollout,
                arm: arm.arm.name.clone(),
                requests,
                bad,
                latency,
            })
        };
        self.arms.iter().filter_map(take).collect()
    }
}

impl RouteArm {
    /// The backend to ask next: not one of `tried`, rather none that just refused a connection, and
    /// then the least busy.
    pub(super) fn backend(&self, tried: &[SocketAddr]) -> Option<&Arc<Backend>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.backends.len();
        (0..count)
            .map(|step| &self.backends[(turn + step) % count])
            .filter(|backend| !tried.contains(&backend.address))
            .min_by_key(|backend| (backend.is_failing(), backend.in_flight()))
    }
}

/// A request on its way through an arm. While it exists the arm counts it as in flight; when it is
/// dropped, how it ended is counted.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) route: Arc<Route>,
    arm: usize,
    arrived: Instant,
    answer: Option<Answer>,
}

#[derive(Debug)]
struct Answer {
    took: Duration,
    bad: bool,
}

impl Flight {
    /// Counts a request as in flight in an arm of a route.
    pub(super) fn begin(route: Arc<Route>, arm: usize) -> Self {
        route.arms[arm].arm.in_flight.fetch_add(1, Ordering::SeqCst);
        Self { route, arm, arrived: Instant::now(), answer: None }
    }

    /// Undoes [`Self::begin`]: the request never went this way.
    pub(super) fn never_was(mut self) {
        self.answer = None;
        self.arrived = Instant::now();
    }

    pub(super) fn arm(&self) -> &RouteArm {
        &self.route.arms[self.arm]
    }

    /// The head of the answer is there.
    pub(super) fn answered(&mut self, status: http::StatusCode) {
        let bad = status.is_server_error();
        self.answer = Some(Answer { took: self.arrived.elapsed(), bad });
    }

    /// The arm broke off in the middle of its answer.
    pub(super) fn broke_off(&mut self) {
        if let Some(answer) = &mut self.answer {
            answer.bad = true;
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let route_arm = &self.route.arms[self.arm];
        let waited = self.arrived.elapsed();
        let answer = (self.answer.take())
            .or_else(|| (waited >= ABANDONED_AFTER).then_some(Answer { took: waited, bad: true }));
        if let Some(Answer { took, bad }) = answer {
            let mut window = route_arm.window.lock().unwrap_or_else(PoisonError::into_inner);
            window.requests += 1;
            window.bad += u64::from(bad);
            window.latency.record(took);
            drop(window);
            route_arm.arm.requests.fetch_add(1, Ordering::Relaxed);
            route_arm.arm.bad.fetch_add(u64::from(bad), Ordering::Relaxed);
        }
        // Last, so that whoever sees nothing in flight also finds everything counted.
        route_arm.arm.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
