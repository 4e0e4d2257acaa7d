use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use sandbox_server::{
    ImageStore, Lifetime, Limits, RegistryConfig, Server, ServerConfig, TlsIdentity, Tokens,
};
use sandbox_sessions::{API_TOKEN_VARIABLE, API_URL_VARIABLE};
use secrecy::{ExposeSecret, SecretString};

use crate::arguments::Serve;
use crate::interrupt::Interrupts;
use crate::runtime_file::{self, Published};
use crate::{hint, output};

/// Hosts the API until a signal says to stop. Sessions live on, and the next server finds them.
pub(crate) async fn run(serve: &Serve) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::listen()?;
    let (tokens, generated) = tokens(serve)?;
    let identity = identity(serve)?;
    if identity.is_none() && !serve.listen.ip().is_loopback() {
        output::message(
            "listening beyond loopback in plain HTTP: name a certificate, or put a TLS proxy in front",
        );
    }
    let (state_dir, config) = config(serve, tokens, identity.clone())?;
    let server = Server::start(config).await.context("cannot start the server")?;
    let ca_file = identity
        .filter(|_| serve.tls_self_signed)
        .map(|identity| tell_of(&identity, &state_dir))
        .transpose()?;
    let published = publish(server.url(), generated.as_ref(), ca_file.as_deref());
    announce(server.url(), generated.as_ref())?;
    interrupts.next().await;
    drop(published);
    server.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

/// The tokens accepted, and the one that was made here and must be told.
fn tokens(serve: &Serve) -> anyhow::Result<(Tokens, Option<SecretString>)> {
    match &serve.token_file {
        Some(path) => Ok((Tokens::from_file(path)?, None)),
        None => {
            let token = Tokens::generate();
            Ok((token.tokens(), Some(token.secret().clone())))
        }
    }
}

/// The certificate that the arguments name, or ask for.
fn identity(serve: &Serve) -> anyhow::Result<Option<TlsIdentity>> {
    if let (Some(certificate), Some(key)) = (&serve.tls_cert, &serve.tls_key) {
        return Ok(Some(TlsIdentity::from_pem_files(certificate, key)?));
    }
    if !serve.tls_self_signed {
        return Ok(None);
    }
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let listen = serve.listen.ip();
    if !listen.is_loopback() && !listen.is_unspecified() {
        names.push(listen.to_string());
    }
    Ok(Some(TlsIdentity::self_signed(names)?))
}

/// What is needed to trust a certificate that was just made, and the file that it is in.
fn tell_of(identity: &TlsIdentity, state_dir: &Path) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(state_dir)?.join("certificate.pem");
    std::fs::write(&path, identity.certificate_pem())
        .with_context(|| format!("cannot write {}", path.display()))?;
    output::message(&format!("certificate SHA-256 {}", identity.fingerprint()));
    output::message(&format!(
        "it is trusted with --ca-file {path}, and by many programs with SSL_CERT_FILE={path}",
        path = path.display()
    ));
    Ok(path)
}

fn config(
    serve: &Serve,
    tokens: Tokens,
    identity: Option<TlsIdentity>,
) -> anyhow::Result<(PathBuf, ServerConfig)> {
    let state_dir = match &serve.state_dir {
        Some(directory) => directory.clone(),
        None => ServerConfig::default_state_dir().context("no --state-dir, and HOME is not set")?,
    };
    let config = ServerConfig::new(tokens, &state_dir)
        .listen(serve.listen)
        .lifetime(Lifetime::Persistent)
        .image_aliases(serve.image_alias.iter().cloned())
        .shared_paths(serve.share.iter().cloned())
        .rate_limit(serve.rate_limit)
        .max_sessions(serve.max_sessions)
        .max_sessions_per_owner(serve.max_sessions_per_owner)
        .limits(limits(serve)?);
    let config = image_store(serve).into_iter().fold(config, ServerConfig::images);
    Ok((state_dir, identity.into_iter().fold(config, ServerConfig::tls)))
}

fn image_store(serve: &Serve) -> Option<ImageStore> {
    let dir = serve
        .image_store
        .clone()
        .or_else(ServerConfig::default_image_store)?;
    let bytes = serve
        .image_store_max
        .map(|mebibytes| mebibytes.saturating_mul(1 << 20));
    let mut registries = RegistryConfig::default();
    registries.mirror = serve.registry_mirror.clone();
    registries.plain_http = serve.plain_http.clone();
    let store = ImageStore::new(dir).pull(serve.pull).registries(registries);
    Some(bytes.into_iter().fold(store, ImageStore::max_bytes))
}

fn limits(serve: &Serve) -> anyhow::Result<Limits> {
    let mut limits = Limits::default();
    if let Some(mebibytes) = serve.memory {
        limits.memory_bytes = mebibytes.saturating_mul(1 << 20);
    }
    if let Some(mebibytes) = serve.disk {
        limits.disk_bytes = mebibytes.saturating_mul(1 << 20);
    }
    if let Some(pids) = serve.pids {
        limits.pids = pids;
    }
    if let Some(cpus) = serve.cpus {
        if !(0.01..=1024.0).contains(&cpus) {
            bail!("--cpus {cpus} is outside 0.01 to 1024");
        }
        limits.cpu_millis = (cpus * 1000.0).round() as u32;
    }
    Ok(limits)
}

/// Lets the user's commands find the server. One that they have to be told of is still a server.
fn publish(url: &str, token: Option<&SecretString>, ca_file: Option<&Path>) -> Option<Published> {
    let place = runtime_file::place(|name| env::var_os(name).map(Into::into));
    match Published::write(&place, url, token, ca_file) {
        Ok(published) => Some(published),
        Err(error) => {
            let error = error.context("commands find this server by SANDBOX_API_URL only");
            output::error(&error, hint::hint(&error, None).as_deref());
            None
        }
    }
}

/// Two lines for `eval`: the only place where a token is ever printed.
fn announce(url: &str, token: Option<&SecretString>) -> anyhow::Result<()> {
    let token = token.map(|token| format!("\nexport {API_TOKEN_VARIABLE}={}", token.expose_secret()));
    output::line(&format!(
        "export {API_URL_VARIABLE}={url}{}",
        token.unwrap_or_default()
    ))?;
    Ok(())
}
