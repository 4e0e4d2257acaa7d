use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use sandbox_server::{PullPolicy, ServerConfig};

use super::image_alias;

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on; any but a loopback address wants TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// File with the server's certificate in PEM form, to speak HTTPS
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_key",
        conflicts_with = "tls_self_signed"
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// File with the private key of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Speak HTTPS with a certificate that is made now, and say its fingerprint and where it is
    #[arg(long)]
    pub(crate) tls_self_signed: bool,
    /// File of accepted tokens, one `[NAME:]TOKEN` a line; without it one is made and printed
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Where sessions are kept; they outlive the server and are found again by the next one
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Accept an image name for an image of this server, such as python:3.11=host
    #[arg(long, value_name = "NAME=IMAGE", value_parser = image_alias)]
    pub(crate) image_alias: Vec<(String, String)>,
    /// Where the images are kept that sessions are made from [default: sandbox/images in ~/.cache]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) image_store: Option<PathBuf>,
    /// How much may be kept there, in MiB, before images leave that were used longest ago and by no session now
    #[arg(long, value_name = "MIB")]
    pub(crate) image_store_max: Option<u64>,
    /// When to ask registries for images: when one is missing, always whether it has changed, or never
    #[arg(long, value_name = "missing|always|never", default_value_t)]
    pub(crate) pull: PullPolicy,
    /// Ask this registry for Docker Hub's images before Docker Hub itself
    #[arg(long, value_name = "URL")]
    pub(crate) registry_mirror: Option<String>,
    /// Speak to this registry without TLS, as to those of this machine
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) plain_http: Vec<String>,
    /// Let sessions read this path of the host too
    #[arg(long, value_name = "PATH")]
    pub(crate) share: Vec<PathBuf>,
    /// Memory of a session in MiB, its files included
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<u64>,
    /// Disk of a session in MiB
    #[arg(long, value_name = "MIB")]
    pub(crate) disk: Option<u64>,
    /// Processes and threads of a session
    #[arg(long, value_name = "COUNT")]
    pub(crate) pids: Option<u32>,
    /// Processors of a session, such as 0.5
    #[arg(long, value_name = "COUNT")]
    pub(crate) cpus: Option<f64>,
    /// Requests that a token may make in a minute; further ones are refused until some time has passed
    #[arg(long, value_name = "REQUESTS", default_value_t = ServerConfig::DEFAULT_RATE_LIMIT)]
    pub(crate) rate_limit: NonZeroU32,
    /// Sessions that there may be at the same time
    #[arg(long, value_name = "COUNT", default_value_t = ServerConfig::DEFAULT_MAX_SESSIONS)]
    pub(crate) max_sessions: usize,
    /// Sessions that the tokens of one name may have at the same time
    #[arg(long, value_name = "COUNT", default_value_t = ServerConfig::DEFAULT_MAX_SESSIONS_PER_OWNER)]
    pub(crate) max_sessions_per_owner: usize,
}
