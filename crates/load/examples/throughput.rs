//! How many requests one processor can send:
//! `cargo run --release -p qnt9-load --example throughput -- [TARGET | serve ADDRESS]`.
//!
//! The generator runs on one thread, a service that only writes a fixed answer on others. It prints
//! the rate, and the processor time that the generator's thread took for each request. With a TARGET
//! it loads that instead; with `serve` it is the service only, for something to be put between.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use qnt9_load::{Plan, Scenario, Target, run};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n{\"status\":\"ok\",\"version\":1234}";
const SCENARIO: &str = "
thresholds = { p95_ms = 500 }
[[request]]
name = 'homepage'
path = '/'
";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [serve_only, address] = args.as_slice()
        && serve_only == "serve"
    {
        accept(&TcpListener::bind(address).expect("the address is free"));
        return;
    }
    let target = args.first().map(|target| target.parse::<Target>().expect("a target"));
    let scenario = Scenario::parse("built in", SCENARIO).expect("the scenario is valid");
    for users in [1, 10, 100] {
        let target = target.clone().unwrap_or_else(|| Target::from(serve()));
        let plan = Plan { users, duration: Duration::from_secs(5), ..Plan::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let before = thread_time();
        let measured = runtime.block_on(run(&target, &scenario, &plan, |_| ()));
        let used = thread_time() - before;
        let measured = measured.expect("the address needs no resolving");
        println!(
            "{users} users: {:.0} requests/s, {} failed, {:.1} us processor time each, {:?}",
            measured.rate(),
            measured.failed,
            used.as_secs_f64() * 1e6 / measured.requests as f64,
            measured.times,
        );
    }
}

/// Processor time of this thread, from the kernel's accounting.
fn thread_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    std::thread::spawn(move || accept(&listener));
    address
}

/// A thread for each connection, so that the service is never what is measured.
fn accept(listener: &TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.expect("file descriptors");
        let _ = stream.set_nodelay(true);
        std::thread::spawn(move || {
            let mut request = [0; 4096];
            while let Ok(1..) = stream.read(&mut request) {
                if stream.write_all(ANSWER).is_err() {
                    return;
                }
            }
        });
    }
}
