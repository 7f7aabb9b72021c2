use super::*;

/// Serves these files on a port of the system's choice; its address.
async fn serve(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let site = read(folder.path()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router(site)).await });
    format!("http://{address}")
}

async fn get(url: &str) -> (u16, String, HeaderMap) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    let response = client.build().unwrap().get(url).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, response.text().await.unwrap(), headers)
}

#[tokio::test]
async fn files_indexes_and_pages_without_their_ending_are_found() {
    let files =
        [("index.html", "top"), ("a/index.html", "a"), ("b.html", "b"), ("ü x.txt", "umlaut")];
    let url = serve(&files).await;
    for (path, text) in
        [("/", "top"), ("/a/", "a"), ("/b", "b"), ("/b.html", "b"), ("/%C3%BC%20x.txt", "umlaut")]
    {
        let (status, body, _) = get(&format!("{url}{path}")).await;
        assert_eq!((status, body.as_str()), (200, text), "{path}");
    }
    let (status, _, headers) = get(&format!("{url}/a?x=1")).await;
    assert_eq!((status, headers["location"].to_str().unwrap()), (308, "/a/?x=1"));
    let (_, _, headers) = get(&url).await;
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
}

#[tokio::test]
async fn nothing_outside_of_the_folder_is_served() {
    let url = serve(&[("site/index.html", "top")]).await;
    let address = url.trim_start_matches("http://").to_owned();
    // Clients tidy such paths, so they are sent as they are.
    for path in
        ["/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/site/../../etc/passwd", "//etc/passwd"]
    {
        let answer = raw(&address, path).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    assert!(raw(&address, "/%zz").await.starts_with("HTTP/1.1 400"));
    assert!(raw(&address, "//site").await.contains("location: /site/\r\n"));
}

async fn raw(address: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_known_page_is_not_sent_again_and_a_missing_one_has_the_site_s_own_face() {
    let url = serve(&[("index.html", "top"), ("404.html", "lost")]).await;
    let (_, _, headers) = get(&url).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let again = client.get(&url).header("if-none-match", &headers["etag"]).send().await.unwrap();
    assert_eq!(again.status(), 304);
    let (status, body, _) = get(&format!("{url}/nowhere")).await;
    assert_eq!((status, body.as_str()), (404, "lost"));
    let posted = client.post(&url).send().await.unwrap();
    assert_eq!(posted.status(), 405);
}

#[test]
fn a_folder_without_files_is_said() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read(folder.path()).unwrap_err().to_string().contains("has no file to serve"));
    let gone = read(&folder.path().join("gone")).unwrap_err().to_string();
    assert!(gone.contains("gone"), "{gone}");
}
