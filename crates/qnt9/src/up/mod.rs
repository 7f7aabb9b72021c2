//! `qnt9 up`: the platform, and the reference system, or a repository of one's own, delivered from push to
//! production.

mod own;
pub mod preflight;
mod progress;
mod reference;
mod stages;
mod story;
mod traffic;
mod upgrade;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use qnt9_engine::accounting::Ledger;
use qnt9_model::fact::{Outcome, Span};
use qnt9_model::{Command, Millis, Person, Role, StreamId};
use qnt9_runner::postgres::Postgres;
use qnt9_server::{Config, Core, LogPlace, NewProject, ServeError, Server, hash_token, new_token};
use qnt9_store::{LogRead as _, MasterKey};
use serde_json::json;

use self::own::Own;
use self::preflight::{Machine, Wanted, preflight};
use self::progress::Progress;
use self::reference::{APPROVERS, DEFAULT_BRANCH, PROJECT, TIME_SCALE};
use self::story::{Approvals, Story, Told};
use self::traffic::{Seen, Traffic};
use self::upgrade::Asked;
use crate::cli::{Common, Up};
use crate::failure::Failure;
use crate::places::{self, Tokens};
use crate::talk::{self, Format};

/// Where the platform is served unless asked otherwise.
const DEFAULT_PORT: u16 = 9009;
/// How long another server may take to make the people known.
const PEOPLE_PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked whether they are.
const PEOPLE_PULSE: Duration = Duration::from_millis(100);
/// Jobs that run at once, for each core: many of them wait for something.
const SLOTS_PER_CORE: usize = 2;

/// Runs `qnt9 up`.
pub async fn run(common: &Common, up: &Up) -> Result<ExitCode, Failure> {
    let began = story::now();
    let data = places::data_folder(common.data.as_deref())?;
    let own = match &up.project {
        Some(dir) => Some(Own::read(Path::new(dir)).await?),
        None => None,
    };
    let in_the_way = || match &up.log.database_url {
        Some(_) => places::holder_of_name(&data, &up.replica),
        None => places::holder(&data),
    };
    let holder = in_the_way();
    let port = up.port.or_else(|| upgrade::port_of(holder.as_ref()?)).unwrap_or(DEFAULT_PORT);
    match &holder {
        Some(holder) if up.upgrade => upgrade::take_over(&data, holder, in_the_way).await?,
        Some(holder) => return Err(held(&data, &holder.to_string())),
        None => {}
    }
    let format = if common.json { Format::Json } else { Format::Text };
    let mut progress = Progress::new(format);
    progress.note("qnt9", env!("CARGO_PKG_VERSION"));

    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // A server of the same log may answer at this address until this one is there.
    let must_be_free = up.log.database_url.is_none().then_some(listen);
    let wanted = own.as_ref().map_or(Wanted::ALL, Own::wanted);
    let machine = preflight(&data, must_be_free, wanted).await?;
    let elapsed = |now: Millis| stages::seconds(now.since(began));
    progress.note("ready", &format!("{}   {:.1} s", machine.summary(), elapsed(story::now())));

    let (server, postgres) = start(&data, up, listen, &machine).await?;
    let url = server.core().url();
    let project = own.as_ref().map_or(PROJECT, Own::name);
    let serving =
        if up.empty { url.clone() } else { format!("{url}   git clone {url}/git/{project}.git") };
    progress.note("serving", &format!("{serving}   {:.1} s", elapsed(story::now())));

    let mut traffic = Traffic::default();
    // One listener from here to the end, so that no Ctrl-C falls between two.
    let mut asked = std::pin::pin!(upgrade::wait_to_be_asked());
    let delivery = async {
        match &own {
            Some(own) => deliver_own(&server, &data, up, own, &mut progress).await,
            None => deliver(&server, &data, up, began, &mut progress, &mut traffic).await,
        }
    };
    let mut result = tokio::select! {
        result = delivery => result,
        asked = &mut asked => Ok(Ended::Asked(asked)),
    };
    if !up.exit
        && matches!(result, Ok(Ended::Well | Ended::Badly | Ended::Held(_)))
        && asked.await == Asked::Leave
    {
        result = Ok(Ended::Asked(Asked::Leave));
    }
    if matches!(result, Ok(Ended::Asked(Asked::Leave))) {
        let text =
            "the server only; jobs, services and traffic go on, and `qnt9 up` takes them over";
        progress.note("leaving", text);
        traffic.stop().await;
        server.leave().await;
        return Ok(ExitCode::SUCCESS);
    }
    // The summary is the last line of `--exit --json`, whether all went well or not.
    if !(up.exit && common.json) {
        let text = "the platform and what it delivered; `qnt9 up` goes on from here";
        progress.note("stopping", text);
    }
    traffic.stop().await;
    let has_company = server.core().has_company();
    server.stop().await;
    if let Some(postgres) = postgres.filter(|_| !has_company)
        && let Err(error) = postgres.stop().await
    {
        tracing::warn!("PostgreSQL was not stopped: {error}");
    }
    match result? {
        Ended::Well => Ok(ExitCode::SUCCESS),
        Ended::Badly => Ok(ExitCode::FAILURE),
        Ended::Held(waits) => {
            let mut failure = Failure::held("the delivery waits for people");
            failure.details = waits;
            Err(failure.hint("start it again without --exit, and approve from another terminal"))
        }
        Ended::Asked(_) => Err(Failure::interrupted()),
    }
}

enum Ended {
    Well,
    Badly,
    /// Gates wait for people, a line each, and nobody is there.
    Held(Vec<String>),
    /// A signal came in the middle.
    Asked(Asked),
}

async fn start(
    data: &Path,
    up: &Up,
    listen: SocketAddr,
    machine: &Machine,
) -> Result<(Server, Option<Arc<Postgres>>), Failure> {
    let key_file = places::key_file()?;
    if let Some(folder) = key_file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::because(format!("cannot make {}", folder.display()), &error)
        })?;
    }
    let key = MasterKey::load_or_create(&key_file)
        .map_err(|error| Failure::because("the master key", &error))?;
    let password = key.mac_key("postgres").mac(&[b"password"]).to_string();
    let postgres = machine.postgres(data, &password)?.map(Arc::new);
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let config = Config {
        data: data.to_owned(),
        log: log_place(up),
        keep_live: (up.keep_live > 0).then_some(up.keep_live),
        key_file,
        listen,
        first_environment_port: listen.port().saturating_add(1),
        program: this_program(),
        slots: cores * SLOTS_PER_CORE,
        job_environment: job_environment(Some(data)),
        postgres: postgres.clone(),
        public_read: listen.ip().is_loopback(),
    };
    let server = Server::start(config).await.map_err(|error| not_started(data, listen, &error))?;
    machine.link_fetched(server.core().folder().root())?;
    if let Some(postgres) = postgres.clone() {
        // Jobs ask for databases later; until then it has time to come up.
        tokio::spawn(start_postgres(server.core().folder().root().to_owned(), postgres));
    }
    Ok((server, postgres))
}

fn log_place(up: &Up) -> LogPlace {
    match &up.log.database_url {
        Some(url) => LogPlace::Database { url: url.clone(), server: up.replica.clone() },
        None => LogPlace::Folder,
    }
}

/// Starts the PostgreSQL of environments. Servers that share the data folder do it one after the other:
/// the first one makes it, the others find it running.
async fn start_postgres(data: PathBuf, postgres: Arc<Postgres>) {
    let locked = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::create(data.join("postgres.lock"))?;
        file.lock()?;
        std::io::Result::Ok(file)
    });
    let _alone = match locked.await {
        Ok(Ok(file)) => Some(file),
        Ok(Err(error)) => {
            tracing::warn!("PostgreSQL is started without waiting for others: {error}");
            None
        }
        Err(_) => None,
    };
    if let Err(error) = postgres.start().await {
        tracing::error!("PostgreSQL does not start: {}", qnt9_runner::with_causes(&error));
    }
}

/// This very program, also when its file is replaced by another version while it runs: what it starts
/// must speak as it does.
fn this_program() -> PathBuf {
    PathBuf::from(format!("/proc/{}/exe", std::process::id()))
}

/// The variables of this process; one that is no text could not be handed on as one. With a data folder
/// its programs come first on the path, this one among them: a service may be started by it.
pub fn job_environment(data: Option<&Path>) -> Vec<(String, String)> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let mut variables: Vec<_> = std::env::vars_os().filter_map(text).collect();
    if let Some(data) = data
        && let Some((_, path)) = variables.iter_mut().find(|(name, _)| name == "PATH")
    {
        *path = format!("{}:{path}", data.join("bin").display());
    }
    variables
}

fn not_started(data: &Path, listen: SocketAddr, error: &ServeError) -> Failure {
    match error {
        ServeError::Listen { .. } => Failure::lacks(error.to_string())
            .hint(format!("choose another port: qnt9 up --port {}", listen.port() + 100)),
        ServeError::Folder(qnt9_store::FolderError::Held { holder, .. }) => {
            held(data, &holder.to_string())
        }
        error => Failure::because("the platform does not start", error),
    }
}

fn held(data: &Path, holder: &str) -> Failure {
    Failure::new(format!("the data folder {} is in use by {holder}", data.display())).hint(
        "use that one; stop it; put this program in its place with `qnt9 up --upgrade`; or choose \
             another folder with --data DIR",
    )
}

async fn deliver(
    server: &Server,
    data: &Path,
    up: &Up,
    began: Millis,
    progress: &mut Progress,
    traffic: &mut Traffic,
) -> Result<Ended, Failure> {
    let core = server.core();
    let decides_about_people = core.owns(&StreamId::platform());
    let tokens = match decides_about_people {
        true => people(core, data, reference::people()).await?,
        false => known_people(core, data).await?,
    };
    if up.empty {
        progress.note("empty", "nothing is delivered; Ctrl-C stops the platform");
        return Ok(Ended::Well);
    }
    if let Some(owner) = served_elsewhere(core) {
        progress.note("empty", &format!("{PROJECT} is delivered by the server at {owner}"));
        return Ok(Ended::Well);
    }
    bring_reference(core, up.time_scale).await?;
    let approvals = if up.exit { Approvals::ByThemselves } else { Approvals::ByAPerson };
    if !up.exit {
        let link = core.sign_in_link(&tokens.owner);
        progress.note("sign in", &format!("{link}   (once, within 10 minutes)"));
    }
    let mut story = Story {
        core,
        tokens: &tokens,
        approvals,
        bad_release: up.bad_release,
        scratch: scratch(core)?,
        progress,
        traffic,
    };
    let told = story.tell().await?;
    let seen = traffic.seen();
    let (summary, well) = summarise(core, &told, seen, began)?;
    show_summary(progress, core, &summary, well);
    if !up.exit {
        next_steps(progress, core);
    }
    Ok(if well { Ended::Well } else { Ended::Badly })
}

/// Delivers a repository of one's own.
async fn deliver_own(
    server: &Server,
    data: &Path,
    up: &Up,
    own: &Own,
    progress: &mut Progress,
) -> Result<Ended, Failure> {
    let core = server.core();
    let tokens = match core.owns(&StreamId::platform()) {
        true => people(core, data, own.people()).await?,
        false => known_people(core, data).await?,
    };
    if !up.exit {
        let link = core.sign_in_link(&tokens.owner);
        progress.note("sign in", &format!("{link}   (once, within 10 minutes)"));
    }
    let patience = if up.exit { own::Patience::UntilPeople } else { own::Patience::ForPeople };
    let delivered = own.deliver(core, &tokens, patience, progress).await?;
    own.show(core, &delivered, progress);
    Ok(match delivered.waits {
        waits if !waits.is_empty() => Ended::Held(waits),
        _ if delivered.well => Ended::Well,
        _ => Ended::Badly,
    })
}

fn scratch(core: &Core) -> Result<PathBuf, Failure> {
    let scratch = core.folder().root().join("demo");
    std::fs::create_dir_all(&scratch)
        .map_err(|error| Failure::because(format!("cannot make {}", scratch.display()), &error))?;
    Ok(scratch)
}

/// The owner of this data folder and some others, each with a token that this machine keeps.
async fn people(core: &Core, data: &Path, others: Vec<Person>) -> Result<Tokens, Failure> {
    let mut tokens = places::tokens(data)?;
    tokens.owner = places::owner(data)?;
    let owner = Person {
        name: tokens.owner.clone(),
        email: format!("{}@localhost", tokens.owner),
        role: Role::Admin,
        demo: false,
    };
    let platform = StreamId::platform();
    // Whoever is the owner, too, is the owner.
    let others = others.into_iter().filter(|person| person.name != owner.name).collect::<Vec<_>>();
    for person in others.into_iter().chain([owner]) {
        let name = person.name.clone();
        let known = core.read(|state| state.platform.people.contains_key(&name));
        if !known {
            core.tell(&platform, Command::AddPerson { person }).await.map_err(refused)?;
        }
        let valid = tokens.tokens.get(&name).is_some_and(|token| core.identify(token).is_some());
        if valid {
            continue;
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random)
            .map_err(|error| Failure::because("no random bytes", &error))?;
        let token = new_token(random);
        let command = Command::IssueToken {
            person: name.clone(),
            digest: hash_token(&token),
            label: "this machine".to_owned(),
        };
        // Kept before it is issued: a token that nobody knows would be lost for ever.
        tokens.tokens.insert(name, token);
        places::keep_tokens(data, tokens.clone())?;
        core.tell(&platform, command).await.map_err(refused)?;
    }
    Ok(tokens)
}

/// The people's tokens, where another server of the same log decides about people: the one that keeps
/// them on this machine too.
async fn known_people(core: &Core, data: &Path) -> Result<Tokens, Failure> {
    let since = std::time::Instant::now();
    loop {
        let tokens = places::tokens(data)?;
        let is_known = |token: &String| core.identify(token).is_some();
        if !tokens.tokens.is_empty() && tokens.tokens.values().all(is_known) {
            return Ok(tokens);
        }
        if since.elapsed() > PEOPLE_PATIENCE {
            let owner = core.owner_of(&StreamId::platform());
            let owner = owner.map_or("no server".to_owned(), |at| format!("the server at {at}"));
            return Err(Failure::new(format!(
                "{owner} decides about people, and this machine keeps no tokens of theirs for {}",
                data.display()
            ))
            .hint("servers on one machine share the data folder, the key and the configuration folder"));
        }
        tokio::time::sleep(PEOPLE_PULSE).await;
    }
}

/// Where the reference project is served, when another server of the same log does.
fn served_elsewhere(core: &Core) -> Option<String> {
    let project = StreamId::from(PROJECT);
    let is_known = core.read(|state| state.projects.contains_key(&project));
    let stream = if is_known { project } else { StreamId::platform() };
    if core.owns(&stream) { None } else { core.owner_of(&stream) }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn refused(refusal: qnt9_model::Refusal) -> Failure {
    Failure::new(refusal.to_string())
}

async fn bring_reference(core: &Core, time_scale: Option<u32>) -> Result<(), Failure> {
    let name = StreamId::from(PROJECT);
    let known = core.read(|state| state.projects.get(&name).map(|project| project.time_scale));
    if let (Some(known), Some(asked)) = (known, time_scale)
        && known != asked
    {
        return Err(Failure::new(format!(
            "{PROJECT} was brought in with time scale {known}, and that is part of its evidence"
        ))
        .hint("leave out --time-scale, or use another data folder: --data DIR"));
    }
    let project = NewProject {
        name,
        embedded: true,
        time_scale: known.or(time_scale).unwrap_or(TIME_SCALE),
        default_branch: DEFAULT_BRANCH.to_owned(),
    };
    let at = story::now().0 / 1000;
    let by = reference::signature(reference::AUTHOR, at);
    core.create_project(&project, &reference::files(), &by).await.map_err(|reason| {
        Failure::new(format!("the reference project was not brought in: {reason}"))
    })
}

/// The summary line of `up --json`, and whether all went as it should.
fn summarise(
    core: &Core,
    told: &Told,
    seen: Seen,
    began: Millis,
) -> Result<(serde_json::Value, bool), Failure> {
    let now = story::now();
    let head = core.log().head(PROJECT);
    let head = head.map_err(|error| Failure::because("the log's head", &error))?;
    let summary = core.read(|state| {
        let project = &state.projects[&StreamId::from(PROJECT)];
        let runs = story::runs(project, &told.parts);
        let stages: Vec<stages::Stage> =
            runs.iter().flat_map(|(run, part)| stages::of_run(project, run, part, now)).collect();
        let ledger = Ledger::of(project, runs.iter().map(|(run, _)| *run), now);
        // Of this program's own life: a delivery that was interrupted rested in between.
        let total = ledger.share(Span { started: began, finished: now });
        let rollback = told.bad.as_ref().and_then(|bad| story::rollback_of(project, bad));
        let serving = project.serving_environment(&"production".into());
        let well = told.good_parts_succeeded()
            && match &told.bad {
                None => told.parts.iter().all(|part| part.outcome == Outcome::Success),
                Some(_) => rollback.is_some(),
            };
        let result = if well { "success" } else { "failure" };
        let summary = json!({ "summary": {
            "result": result,
            "stages": stages,
            "totals": {
                "own_s": stages::seconds(total.own_ms),
                "waiting_s": stages::seconds(total.waiting_ms),
                "user_s": stages::seconds(total.user_ms),
            },
            "production": {
                "release": serving.map(|deployment| deployment.release.to_string()),
                "requests": seen.requests,
                "failed": seen.failed,
            },
            "rollback": rollback.map(|(release, reason, at_percent)| {
                json!({ "release": release, "reason": reason, "at_percent": at_percent })
            }),
            "time_scale": project.time_scale,
            "audit_head": head.digest.to_string(),
        }});
        (summary, well)
    });
    Ok(summary)
}

fn show_summary(progress: &mut Progress, core: &Core, summary: &serde_json::Value, well: bool) {
    let inner = &summary["summary"];
    let totals = &inner["totals"];
    if progress.is_json() {
        talk::json(summary);
        return;
    }
    let word = if well { "done" } else { "failed" };
    progress.note(
        word,
        &format!(
            "{} s ours, {} s waiting, {} s your steps and load",
            totals["own_s"], totals["waiting_s"], totals["user_s"]
        ),
    );
    let production = &inner["production"];
    progress.note(
        "users",
        &format!(
            "{} requests to production, {} failed",
            production["requests"], production["failed"]
        ),
    );
    if let Some(reason) = inner["rollback"]["reason"].as_str() {
        let at = &inner["rollback"]["at_percent"];
        progress.note("rollback", &format!("at {at} %: {reason}"));
    }
    progress.note("console", &core.url());
}

fn next_steps(progress: &mut Progress, core: &Core) {
    let url = core.url();
    progress.note("next", &format!("look around: {url}"));
    progress.note("", &format!("push a change: git clone {url}/git/{PROJECT}.git"));
    let approver = APPROVERS[0];
    progress.note("", &format!("ask why: qnt9 why production   (people: --as {approver}, …)"));
    progress.note("", "Ctrl-C stops everything; `qnt9 up` goes on where it stood");
}
