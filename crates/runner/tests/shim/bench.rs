use super::*;

/// Not a test of speed, which a busy machine would fail, but the figures for a person:
/// `cargo test -p qnt9-runner --test shim -- --ignored --nocapture overhead`.
#[tokio::test]
#[ignore = "prints figures, asserts none"]
async fn overhead_of_a_step() {
    const STEPS: u64 = 200;
    let steps = "  - run: 'true'\n".repeat(usize::try_from(STEPS).unwrap());
    let case = Case::new(&format!("steps:\n{steps}"));
    let start = std::time::Instant::now();
    let shim = case.start().await;
    let answered = start.elapsed();
    let journal = case.records().await;
    drop(shim);
    let whole = start.elapsed();
    assert_eq!(journal.result(), Some(JobResult::Success));

    let script = case.dir.path().join("script.sh");
    std::fs::write(&script, "true").unwrap();
    let start = std::time::Instant::now();
    for _ in 0..STEPS {
        let status = tokio::process::Command::new("bash").arg("-e").arg(&script).status().await;
        assert!(status.unwrap().success());
    }
    let bare = start.elapsed();
    println!(
        "shim answers after {answered:.1?}; {STEPS} steps {whole:.1?} = {:.2?} each; bare bash \
         {:.2?} each",
        (whole - answered) / u32::try_from(STEPS).unwrap(),
        bare / u32::try_from(STEPS).unwrap()
    );
}
