//! The address: a small HTTP server, which answers one path.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::thread;

use tiny_http::{Header, Method, Request, Response, StatusCode};

use super::locked;
use super::series::{Format, Series};

impl Format {
    /// What a client is to get, by the header `Accept` of its request.
    fn accepted(accept: &str) -> Format {
        match accept.contains("application/openmetrics-text") {
            true => Format::OpenMetrics,
            false => Format::Prometheus,
        }
    }

    /// What the text is, to a client.
    fn header(self) -> &'static str {
        match self {
            Format::OpenMetrics => "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Prometheus => "Content-Type: text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Where to listen. Where no host is named, nobody else's can reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address(String);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let port = text.strip_prefix(':').unwrap_or(text);
        if port.parse::<u16>().is_ok() {
            return Ok(Address(format!("127.0.0.1:{port}")));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Address(text.to_owned()))
            }
            _ => Err("write HOST:PORT, such as `0.0.0.0:9469`, or a port of 127.0.0.1".to_owned()),
        }
    }
}

/// Answers until goinject ends.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
}

impl Server {
    pub(super) fn start(address: &Address, series: Arc<Mutex<Series>>) -> io::Result<Server> {
        let Address(text) = address;
        let told = |error: &dyn std::fmt::Display| {
            io::Error::other(format!("cannot serve metrics at {text}: {error}"))
        };
        let found = text.to_socket_addrs().map_err(|error| told(&error))?;
        let found: Vec<SocketAddr> = found.collect();
        let server = tiny_http::Server::http(found.as_slice()).map_err(|error| told(&error))?;
        let address = server
            .server_addr()
            .to_ip()
            .ok_or_else(|| told(&"it has no number"))?;
        thread::Builder::new()
            .name("goinject-metrics".to_owned())
            .spawn(move || {
                for request in server.incoming_requests() {
                    let response = answer(&request, &series);
                    // Somebody who has gone away has no use for it.
                    let _ = request.respond(response);
                }
            })?;
        Ok(Server { address })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }
}

fn answer(request: &Request, series: &Mutex<Series>) -> Response<io::Cursor<Vec<u8>>> {
    let path = request.url().split('?').next().unwrap_or_default();
    match (request.method(), path) {
        (Method::Get | Method::Head, "/metrics") => {
            let mut headers = request.headers().iter();
            let accept = headers.find(|header| header.field.equiv("Accept"));
            let format = Format::accepted(accept.map_or("", |accept| accept.value.as_str()));
            let text = locked(series).text(format);
            let header = Header::from_str(format.header()).expect("it is one");
            Response::from_string(text).with_header(header)
        }
        (Method::Get | Method::Head, _) => plain("metrics are at /metrics\n", 404),
        _ => plain("metrics can only be read\n", 405),
    }
}

fn plain(text: &str, status: u16) -> Response<io::Cursor<Vec<u8>>> {
    Response::from_string(text).with_status_code(StatusCode(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let of = |text: &str| text.parse::<Address>().map(|Address(text)| text);
        assert_eq!(of("9469").as_deref(), Ok("127.0.0.1:9469"));
        assert_eq!(of(":9469").as_deref(), Ok("127.0.0.1:9469"));
        assert_eq!(of("[::1]:0").as_deref(), Ok("[::1]:0"));
        assert_eq!(of("0.0.0.0:1").as_deref(), Ok("0.0.0.0:1"));
        for wrong in ["", "host", "host:", "host:99999", "99999"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
