//! What the server's arms do about its orders.

use qnt9_model::{AttemptId, Command, Order, StreamId};

use crate::audit::Broken;
use crate::random::Random;
use crate::server::Decided;

use super::{Event, MINUTE, Origin, SECOND, World};

impl World<'_> {
    /// Begins an order. Whatever is not answered in the end stays outstanding and is begun again.
    pub(super) fn carry(
        &mut self,
        stream: &StreamId,
        order: &Order,
        random: &mut Random,
    ) -> Result<(), Broken> {
        if !self.server.as_ref().is_some_and(|server| server.carries(stream, order)) {
            return Ok(());
        }
        let arm = || Origin::Arm(Box::new(order.clone()));
        match order {
            Order::SettlePush(push) => {
                let repository = self.repositories.entry(stream.clone()).or_default();
                let (moved, commits) = repository.settle(*push, &self.workflows);
                self.hand_in(stream, Command::SettlePush { push: *push, moved, commits }, arm());
            }
            Order::StartJob(attempt) => {
                let runner = format!("runner-{}", random.below(self.swarm.runners as u64) + 1);
                let attempt = attempt.clone();
                self.hand_in(stream, Command::StartJob { attempt, runner }, arm());
            }
            Order::FollowJob(attempt) => return self.follow(stream, attempt),
            Order::CancelJob(attempt) => self.cancel_process(stream, attempt, random),
            Order::KillJob(attempt) => self.kill_process(stream, attempt),
            Order::AskJob(attempt) => self.ask_after(stream, attempt),
            Order::AskCheck(check) => {
                let failure = random.chance(self.swarm.work.receiver_down);
                let failure = failure.then(|| "no answer".to_owned());
                if failure.is_none() {
                    self.check_asked(stream, *check, random);
                }
                self.hand_in(stream, Command::CheckTried { check: *check, failure }, arm());
            }
            Order::AssignAddress(place, entrance) => {
                let address = format!("127.0.0.1:{}", 9000 + random.below(1000));
                let (place, entrance) = (place.clone(), *entrance);
                self.hand_in(stream, Command::AssignAddress { place, entrance, address }, arm());
            }
            Order::KeepReplicas(wanted) => return self.keep_replicas(stream, wanted, random),
            Order::CarryTraffic(generations) => {
                return self.carry_traffic(stream, generations, order, random);
            }
            Order::DrainArm(place, deployment) => {
                return self.drain(stream, place, *deployment, order);
            }
            Order::DrainReplica(_, deployment, replica) => {
                return self.drain_replica(stream, *deployment, *replica, order);
            }
            Order::SmokeTest(deployment) => {
                let (deployment, passed) = (*deployment, !random.chance(100));
                let report = "GET /readyz".to_owned();
                let command = Command::SmokeTested { deployment, passed, report };
                self.hand_in(stream, command, arm());
            }
            Order::Notify(notification) => {
                let failure = random.chance(self.swarm.work.receiver_down);
                let failure = failure.then(|| "the receiver answered 503".to_owned());
                let notification = *notification;
                let command = Command::NotificationTried { notification, failure };
                self.hand_in(stream, command, arm());
            }
        }
        Ok(())
    }

    /// An order was answered. If it is outstanding all the same it is begun again after a while.
    pub(super) fn carried(&mut self, stream: &StreamId, order: &Order, decided: &Decided) {
        if let Some(server) = &mut self.server {
            server.answered(stream, order);
        }
        let pause = if decided.is_ok() { SECOND } else { 5 * SECOND };
        self.later(pause, Event::Look);
    }

    /// Tells the runner to stop; it does so after a while, and the order stands until it has.
    fn cancel_process(&mut self, stream: &StreamId, attempt: &AttemptId, random: &mut Random) {
        let stop = random.between(SECOND..=MINUTE);
        if let Some(process) = self.processes.get_mut(&(stream.clone(), attempt.clone())) {
            process.is_cancelled = true;
            self.later(stop, Event::Work(Box::new((stream.clone(), attempt.clone()))));
        }
    }
}
