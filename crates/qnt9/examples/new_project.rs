//! Puts a project with people and tokens into a data folder, as long as no command of the program
//! does: `new_project DATA KEY PORT FILES`. The files become the first commit. Every token is
//! `token-of-NAME`, so what is made here is for trials on one machine only.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use qnt9_model::{Command, Person, Role, StreamId};
use qnt9_runner::git::{NewFile, Signature};
use qnt9_server::{Config, NewProject, Server, hash_token};

/// The project and its default branch.
const PROJECT: &str = "till";
const DEFAULT_BRANCH: &str = "main";
/// Its people.
const PEOPLE: [(&str, Role); 4] = [
    ("anna", Role::Approver),
    ("ben", Role::Approver),
    ("dora", Role::Developer),
    ("root", Role::Admin),
];
/// When the first commit was made, in seconds since 1970.
const COMMITTED: i64 = 1_700_000_000;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [data, key, port, files] = args.as_slice() else {
        return Err("usage: new_project DATA KEY PORT FILES".into());
    };
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "a provider of cryptography is there already")?;
    let port: u16 = port.parse()?;
    let config = Config {
        data: data.into(),
        key_file: key.into(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        first_environment_port: port + 1,
        program: std::env::current_exe()?,
        slots: 1,
        job_environment: Vec::new(),
        postgres: None,
        public_read: true,
        log: qnt9_server::LogPlace::Folder,
        keep_live: None,
    };
    let server = Server::start(config).await?;
    let core = server.core();
    let platform = StreamId::platform();
    for (name, role) in PEOPLE {
        let (name, email) = (name.to_owned(), email(name));
        let digest = hash_token(&format!("token-of-{name}"));
        let person = Person { name: name.clone(), email, role, demo: false };
        core.tell(&platform, Command::AddPerson { person }).await?;
        let label = "trial".to_owned();
        core.tell(&platform, Command::IssueToken { person: name, digest, label }).await?;
    }
    let project = NewProject {
        name: PROJECT.into(),
        embedded: false,
        time_scale: 1,
        default_branch: DEFAULT_BRANCH.to_owned(),
    };
    let by = Signature { name: "Dora".to_owned(), email: email("dora"), at: COMMITTED };
    let files = read(Path::new(files), Path::new(""))?;
    core.create_project(&project, &files, &by).await?;
    server.stop().await;
    Ok(())
}

fn email(person: &str) -> String {
    format!("{person}@till.example")
}

/// The files below `root`, in the folder `below` it.
fn read(root: &Path, below: &Path) -> Result<Vec<NewFile>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root.join(below))? {
        let path = below.join(entry?.file_name());
        if root.join(&path).is_dir() {
            files.extend(read(root, &path)?);
            continue;
        }
        files.push(NewFile {
            content: std::fs::read(root.join(&path))?,
            path: path.to_str().ok_or("a file's name is no text")?.to_owned(),
            executable: false,
        });
    }
    Ok(files)
}
