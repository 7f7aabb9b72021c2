//! Owns processes: the shim of a job, its steps and actions, service replicas, and the tools a machine must have.
