//! What of a repository is the program: how it is built, what its release holds, how it is started.

use serde_json::Value;

use super::Learned;
use crate::Repository;
use crate::code::reads_port;
use crate::dockerfile::dockerfiles;
use crate::finding::Place;
use crate::repository::name_of;

/// A program to deliver.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The service's name.
    pub(crate) service: Learned<String>,
    /// What starts it, in a folder that holds the release.
    pub(crate) command: Learned<Vec<String>>,
    /// What checks it, in the order of a job's steps.
    pub(crate) checks: Vec<String>,
    /// What builds it.
    pub(crate) build: Vec<String>,
    /// What `qnt9 release build` takes.
    pub(crate) release: Vec<String>,
    /// Files that a browser reads, and nothing that runs.
    pub(crate) is_static: bool,
    /// What a person should look at.
    pub(crate) notes: Vec<String>,
}

/// Finds the program of a repository: by what each language's own files say, then by files for browsers.
pub(crate) fn program(repository: &Repository) -> Option<Program> {
    let found = node(repository)
        .or_else(|| python(repository))
        .or_else(|| rust(repository))
        .or_else(|| go(repository))
        .or_else(|| site(repository));
    let mut program = found?;
    if let Some(note) = fixed_port(repository, &program) {
        program.notes.push(note);
    }
    Some(program)
}

fn service(name: &str, from: &str) -> Learned<String> {
    let safe: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    let safe = safe.trim_matches('-').to_ascii_lowercase();
    Learned::new(if safe.is_empty() { "web".to_owned() } else { safe }, from)
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The file and the line on which a text first stands.
fn line_of(repository: &Repository, file: &str, part: &str) -> String {
    let at = repository.text(file).and_then(|text| Some(Place::of(text, text.find(part)?).line));
    at.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
}

fn node(repository: &Repository) -> Option<Program> {
    const FILE: &str = "package.json";
    let package: Value = serde_json::from_str(repository.text(FILE)?).ok()?;
    let script =
        |name: &str| package["scripts"][name].as_str().filter(|text| !text.trim().is_empty());
    let main =
        package["main"].as_str().filter(|file| repository.has_file(file.trim_start_matches("./")));
    let usual = ["server.js", "index.js", "app.js", "src/server.js", "src/index.js"];
    let usual = usual.into_iter().find(|file| repository.has_file(file));
    let (command, from) = match (script("start"), main.or(usual)) {
        (Some(start), _) => {
            let plain =
                start.starts_with("node ") && !start.contains(['&', '|', ';', '$', '"', '\'']);
            let command = if plain { words(start) } else { words("npm start") };
            (command, line_of(repository, FILE, "\"start\""))
        }
        (None, Some(main)) => (vec!["node".to_owned(), main.to_owned()], main.to_owned()),
        (None, None) => return script("build").and_then(|_| built_site(repository, &package)),
    };
    let has_dependencies = ["dependencies", "devDependencies"]
        .iter()
        .any(|key| package[key].as_object().is_some_and(|all| !all.is_empty()));
    let mut checks = Vec::new();
    let mut build = Vec::new();
    if has_dependencies {
        checks.push(install(repository).to_owned());
        build.push(install(repository).to_owned());
    }
    if script("test").is_some_and(|test| !test.contains("no test specified")) {
        checks.push("npm test".to_owned());
    }
    if script("build").is_some() {
        build.push("npm run build".to_owned());
    }
    if package["devDependencies"].as_object().is_some_and(|all| !all.is_empty()) {
        build.push("npm prune --omit=dev".to_owned());
    }
    Some(Program {
        service: service(
            package["name"].as_str().unwrap_or("web"),
            &line_of(repository, FILE, "\"name\""),
        ),
        command: Learned::new(command, from),
        checks,
        build,
        release: vec!["--folder .=.".to_owned()],
        is_static: false,
        notes: Vec::new(),
    })
}

fn install(repository: &Repository) -> &'static str {
    if repository.has_file("package-lock.json") { "npm ci" } else { "npm install" }
}

/// A site that a build writes: nothing of it runs afterwards.
fn built_site(repository: &Repository, package: &Value) -> Option<Program> {
    let all = package.to_string();
    let folder = if all.contains("react-scripts") { "build" } else { "dist" };
    Some(Program {
        build: vec![install(repository).to_owned(), "npm run build".to_owned()],
        notes: vec![format!(
            "what `npm run build` writes is taken from {folder}/: mend deliver.yml if it lies elsewhere"
        )],
        ..serving(folder, format!("package.json builds a site into {folder}/"))
    })
}

/// A folder served by qnt9 itself.
fn serving(folder: &str, from: String) -> Program {
    let source = if folder.is_empty() { "." } else { folder };
    Program {
        service: Learned::new("site".to_owned(), "a site of files"),
        command: Learned::new(words("qnt9 serve-static site"), from),
        checks: Vec::new(),
        build: Vec::new(),
        release: vec![format!("--folder {source}=site")],
        is_static: true,
        notes: Vec::new(),
    }
}

fn site(repository: &Repository) -> Option<Program> {
    let folders = ["", "public", "site", "www", "static", "docs", "src", "dist"];
    let index = |folder: &&str| {
        let path = if folder.is_empty() {
            "index.html".to_owned()
        } else {
            format!("{folder}/index.html")
        };
        repository.has_file(&path)
    };
    let folder = folders.into_iter().find(index)?;
    let from =
        if folder.is_empty() { "index.html".to_owned() } else { format!("{folder}/index.html") };
    Some(serving(folder, from))
}

fn python(repository: &Repository) -> Option<Program> {
    let usual = [
        "app.py",
        "main.py",
        "server.py",
        "src/app.py",
        "src/main.py",
        "app/main.py",
        "wsgi.py",
        "src/server.py",
    ];
    let (file, text) = usual.into_iter().find_map(|file| Some((file, repository.text(file)?)))?;
    let requirements = requirements(repository);
    let module = file.trim_end_matches(".py").replace('/', ".");
    let is_script = text.contains("__main__");
    let asgi = ["FastAPI(", "Starlette(", "Litestar("].iter().any(|maker| text.contains(maker));
    let run = match () {
        () if asgi && !is_script => {
            format!("python3 -m uvicorn {module}:{} --host 127.0.0.1 --port $PORT", variable(text))
        }
        () if text.contains("Flask(") && !is_script => {
            format!(
                "python3 -m flask --app {module}:{} run --host 127.0.0.1 --port $PORT",
                variable(text)
            )
        }
        () if is_script => format!("python3 {file}"),
        () => return None,
    };
    let mut command = if run.contains('$') {
        vec!["sh".to_owned(), "-c".to_owned(), format!("exec {run}")]
    } else {
        words(&run)
    };
    let mut build = Vec::new();
    if let Some(requirements) = &requirements {
        // Beside the program, not in a virtual environment, whose scripts name its absolute path.
        build.push(format!("python3 -m pip install --quiet --target lib {requirements}"));
        command.splice(0..0, words("env PYTHONPATH=lib"));
    }
    let mut checks = Vec::new();
    if repository.paths().any(|path| name_of(path).starts_with("test_")) {
        let with_pytest = repository.texts().any(|(path, text)| {
            (path.ends_with(".txt") || path == "pyproject.toml") && text.contains("pytest")
        });
        let folder = if repository.has_folder("tests") { " -s tests" } else { "" };
        let run = if with_pytest {
            "pytest".to_owned()
        } else {
            format!("unittest discover{folder} -t .")
        };
        checks.extend(build.iter().cloned());
        checks.push(match requirements {
            Some(_) => format!("PYTHONPATH=lib python3 -m {run}"),
            None => format!("python3 -m {run}"),
        });
    }
    let name = repository.text("pyproject.toml").and_then(|text| {
        let value = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("name")?.trim().strip_prefix('='))?;
        Some(value.trim().trim_matches('"').to_owned())
    });
    Some(Program {
        service: match name {
            Some(name) => service(&name, &line_of(repository, "pyproject.toml", "name")),
            None => Learned::new("web".to_owned(), "assumed"),
        },
        command: Learned::new(
            command,
            line_of(repository, file, if is_script { "__main__" } else { "app" }),
        ),
        checks,
        build,
        release: vec!["--folder .=.".to_owned()],
        is_static: false,
        notes: Vec::new(),
    })
}

/// What pip is told to install, when there is something.
fn requirements(repository: &Repository) -> Option<String> {
    let names = |text: &str| {
        text.lines().any(|line| !line.trim().is_empty() && !line.trim().starts_with('#'))
    };
    if repository.text("requirements.txt").is_some_and(names) {
        return Some("-r requirements.txt".to_owned());
    }
    let project = repository.text("pyproject.toml")?;
    let document: toml_edit::DocumentMut = project.parse().ok()?;
    let has_some =
        document.get("project")?.get("dependencies")?.as_array().is_some_and(|all| !all.is_empty());
    (has_some && document.contains_key("build-system")).then(|| ".".to_owned())
}

/// The variable that holds the application.
fn variable(text: &str) -> &str {
    let makers = ["FastAPI(", "Starlette(", "Litestar(", "Flask("];
    let made = text.lines().find(|line| makers.iter().any(|maker| line.contains(maker)));
    made.and_then(|line| line.split_once('=')).map_or("app", |(name, _)| name.trim())
}

fn rust(repository: &Repository) -> Option<Program> {
    let manifest = repository.text("Cargo.toml")?;
    let document: toml_edit::DocumentMut = manifest.parse().ok()?;
    let package = document.get("package")?.get("name")?.as_str()?.to_owned();
    let binary = document
        .get("bin")
        .and_then(|bins| bins.as_array_of_tables()?.get(0)?.get("name")?.as_str());
    if binary.is_none() && !repository.has_file("src/main.rs") {
        return None;
    }
    let name = binary.unwrap_or(&package).to_owned();
    let locked = if repository.has_file("Cargo.lock") { " --locked" } else { "" };
    let from = line_of(repository, "Cargo.toml", "name");
    Some(Program {
        service: service(&name, &from),
        command: Learned::new(vec![format!("bin/{name}")], from),
        checks: vec![format!("cargo test{locked}")],
        build: vec![format!("cargo build --release{locked}")],
        release: vec![format!("--file target/release/{name}=bin/{name}")],
        is_static: false,
        notes: Vec::new(),
    })
}

fn go(repository: &Repository) -> Option<Program> {
    let module =
        repository.text("go.mod")?.lines().find_map(|line| line.strip_prefix("module "))?;
    if !repository.has_file("main.go") {
        return None;
    }
    let name = name_of(module.trim()).to_owned();
    let from = line_of(repository, "go.mod", "module ");
    Some(Program {
        service: service(&name, &from),
        command: Learned::new(vec![format!("bin/{name}")], from),
        checks: vec!["go test ./...".to_owned()],
        build: vec![format!("go build -trimpath -o bin/{name} .")],
        release: vec![format!("--file bin/{name}=bin/{name}")],
        is_static: false,
        notes: Vec::new(),
    })
}

/// A program that listens on a port of its own choice gets no traffic.
fn fixed_port(repository: &Repository, program: &Program) -> Option<String> {
    let takes_port = program.is_static
        || program.command.value.iter().any(|part| part.contains("$PORT"))
        || crate::code::sources(repository).any(|(_, text)| reads_port(text));
    if takes_port {
        return None;
    }
    let fixed = crate::code::listens(repository).into_iter().next();
    let of_image = || {
        dockerfiles(repository).find_map(|(path, file)| {
            let (port, line) = file.exposed().into_iter().next()?;
            Some((port, format!("{path}:{line}")))
        })
    };
    let fixed = fixed.map(|one| (one.port, format!("{}:{}", one.file, one.line))).or_else(of_image);
    Some(match fixed {
        Some((port, at)) => format!(
            "the program seems to listen on port {port} ({at}); qnt9 gives every replica a port of its own in the variable PORT, which it must listen on"
        ),
        None => "nothing in the source reads PORT: qnt9 gives every replica a port of its own in that variable, which it must listen on".to_owned(),
    })
}
