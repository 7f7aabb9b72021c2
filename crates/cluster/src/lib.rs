//! Which replicas are wanted, whether they are healthy, and the gateway that carries the traffic.
//!
//! - [`gateway`] is a reverse proxy that lives in a process of its own: listeners, weighted arms,
//!   a switch without a failed request, and a journal of what each arm answered every second.
//! - [`health`] asks an address whether it is healthy and says what it answered if not.
//! - [`wanted`] compares the replicas that are wanted with those that run.
//!
//! It starts no process, decides no rollout and reads no clock for a decision: the engine says which
//! weights are wanted, the server has the runner start the replicas and tells the gateway. Kubernetes
//! itself is not spoken yet.

pub mod gateway;
pub mod health;
pub mod wanted;
