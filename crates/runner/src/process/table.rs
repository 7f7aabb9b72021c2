use rustix::process::Pid;

/// One row of the system's table of processes.
pub(super) struct Process {
    pub(super) pid: Pid,
    pub(super) state: char,
    pub(super) parent: i32,
    pub(super) session: u32,
    pub(super) start_time: u64,
}

impl Process {
    /// One `/proc/PID/stat`, see proc_pid_stat(5). The name in parentheses may hold anything.
    pub(super) fn parse(stat: &str) -> Option<Self> {
        let (pid, rest) = stat.split_once(" (")?;
        let (_, fields) = rest.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let session = fields.nth(1)?.parse().ok()?;
        let start_time = fields.nth(15)?.parse().ok()?;
        Some(Self { pid: Pid::from_raw(pid.parse().ok()?)?, state, parent, session, start_time })
    }

    pub(super) fn number(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }
}

/// The processes of this machine as of now; one may have ended when it is looked at.
pub(super) fn processes() -> impl Iterator<Item = Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit)
        })
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| Process::parse(&stat))
}

/// The living descendants of a process, itself not included.
pub(super) fn descendants(root: Pid) -> Vec<Pid> {
    let processes: Vec<Process> = processes().collect();
    let found = with_descendants(&processes, vec![root]);
    let is_living = |pid: &Pid| processes.iter().any(|p| p.pid == *pid && p.state != 'Z');
    found.into_iter().skip(1).filter(is_living).collect()
}

/// These processes and all that descend from them, each once.
pub(super) fn with_descendants(processes: &[Process], mut found: Vec<Pid>) -> Vec<Pid> {
    let mut next = 0;
    while next < found.len() {
        let parent = found[next].as_raw_nonzero().get();
        for process in processes.iter().filter(|process| process.parent == parent) {
            if !found.contains(&process.pid) {
                found.push(process.pid);
            }
        }
        next += 1;
    }
    found
}
