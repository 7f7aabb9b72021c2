//! Which replicas and weights are wanted, whether they are healthy, and the gateway that carries the traffic.
