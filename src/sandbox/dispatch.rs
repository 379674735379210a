//! From a request to the function that answers it.

use serde_json::Value;

use super::error::{Answer, AwsError};
use super::identity::{self, Caller};
use super::protocol::{
    Form, Input, Request, Response, Scope, Service, error_response, json_response, query_response,
    rpc, scope,
};
use super::state::{Stamp, State};
use super::xml::Element;
use super::{cloudtrail, cloudtrail_events, iam, kms, logs, organizations, s3, sns, sts};

/// What every handler gets.
pub struct Call<'a> {
    pub state: &'a mut State,
    pub caller: &'a Caller,
    pub region: &'a str,
    pub now: Stamp,
}

impl Call<'_> {
    pub fn account(&self) -> &str {
        &self.caller.account
    }
}

pub type JsonHandler = fn(&mut Call<'_>, &Value) -> Answer<Value>;
/// The children of the `…Result` element; `None` for operations without one.
pub type QueryHandler = fn(&mut Call<'_>, &Form) -> Answer<Option<Element>>;

/// A request whose operation is known.
pub struct Target {
    pub service: Service,
    pub action: String,
    pub region: String,
    access_key: String,
    session_token: Option<String>,
    work: Work,
}

enum Work {
    Json(JsonHandler, Value),
    Query(QueryHandler, Form),
    S3(Box<s3::S3Request>),
}

/// An error response when the request means nothing to the sandbox.
pub fn identify(request: &Request) -> Result<Target, Box<Response>> {
    let scope = scope(request);
    let service = service_of(request, scope.as_ref());
    let fail = |service: Service, error: &AwsError| {
        let head = request.method == "HEAD";
        Box::new(error_response(service, error, "unidentified", head))
    };
    let Some(service) = service else {
        let name = scope.map_or_else(|| request.host.clone(), |s| s.service);
        let error = AwsError::not_implemented(&format!("the service `{name}`"));
        return Err(fail(Service::CloudTrail, &error));
    };
    let scope = scope.ok_or_else(|| fail(service, &missing_token(service)))?;
    let (action, work) = match service {
        Service::S3 => {
            let parsed = s3::S3Request::parse(request).map_err(|e| fail(service, &e))?;
            (parsed.action().to_owned(), Work::S3(Box::new(parsed)))
        }
        _ => operation(service, request).map_err(|e| fail(service, &e))?,
    };
    Ok(Target {
        service,
        action,
        region: scope.region,
        access_key: scope.access_key,
        session_token: request.header("x-amz-security-token").map(str::to_owned),
        work,
    })
}

fn service_of(request: &Request, scope: Option<&Scope>) -> Option<Service> {
    if let Some(scope) = scope {
        return Service::from_signing_name(&scope.service);
    }
    let target = request.header("x-amz-target").unwrap_or_default();
    let by_target = [
        ("CloudTrail", Service::CloudTrail),
        ("TrentService", Service::Kms),
        ("AWSOrganizations", Service::Organizations),
        ("Logs_", Service::Logs),
    ];
    by_target
        .iter()
        .find(|(part, _)| target.contains(part))
        .map(|(_, service)| *service)
        .or_else(|| request.host.split('.').find_map(Service::from_signing_name))
        .or_else(|| target.is_empty().then_some(Service::S3))
}

fn missing_token(service: Service) -> AwsError {
    match service {
        Service::S3 => AwsError::new("AccessDenied", "Access Denied").status(403),
        _ => {
            AwsError::new("MissingAuthenticationToken", "Missing Authentication Token").status(403)
        }
    }
}

fn operation(service: Service, request: &Request) -> Answer<(String, Work)> {
    let (action, input) = rpc(service, request)?;
    let find_json = |table: &[(&str, JsonHandler)]| find(table, &action);
    let find_query = |table: &[(&str, QueryHandler)]| find(table, &action);
    let json = match service {
        Service::CloudTrail => find_json(cloudtrail::ACTIONS),
        Service::Kms => find_json(kms::ACTIONS),
        Service::Logs => find_json(logs::ACTIONS),
        Service::Organizations => find_json(organizations::ACTIONS),
        _ => None,
    };
    let query = match service {
        Service::Iam => find_query(iam::ACTIONS),
        Service::Sns => find_query(sns::ACTIONS),
        Service::Sts => find_query(sts::ACTIONS),
        _ => None,
    };
    let work = match (input, json, query) {
        (Input::Json(value), Some(handler), _) => Work::Json(handler, value),
        (Input::Form(form), _, Some(handler)) => Work::Query(handler, form),
        _ => {
            return Err(AwsError::not_implemented(&format!(
                "{}:{action}",
                service.prefix()
            )));
        }
    };
    Ok((action, work))
}

fn find<H: Copy>(table: &[(&str, H)], action: &str) -> Option<H> {
    table
        .iter()
        .find(|(name, _)| *name == action)
        .map(|(_, handler)| *handler)
}

impl Target {
    /// `service.Action`, as faults name calls.
    pub fn call_name(&self) -> String {
        format!("{}.{}", self.service.prefix(), self.action)
    }

    pub fn head(&self) -> bool {
        self.action.starts_with("Head")
    }

    /// Reads leave the state as it is.
    pub fn is_read(&self) -> bool {
        ["Get", "List", "Describe", "Head", "Lookup"]
            .iter()
            .any(|verb| self.action.starts_with(verb))
    }

    pub fn internal_failure(&self, message: &str) -> Response {
        let error = AwsError::new("InternalFailure", message).status(500);
        error_response(self.service, &error, "internal", self.head())
    }

    /// The answer, and the account that asked (empty when its key is not known).
    pub fn run(&self, state: &mut State) -> (Response, String) {
        let request_id = if self.is_read() {
            "read".to_owned()
        } else {
            state.fresh_uuid()
        };
        let fail = |error: AwsError| {
            error_response(
                self.service,
                &self.in_service_words(error),
                &request_id,
                self.head(),
            )
        };
        let caller = match identity::resolve(state, &self.access_key, self.service) {
            Ok(caller) => caller,
            Err(error) => return (fail(error), String::new()),
        };
        let answer = self
            .execute(state, &caller, &request_id)
            .unwrap_or_else(fail);
        (answer, caller.account)
    }

    fn execute(&self, state: &mut State, caller: &Caller, request_id: &str) -> Answer<Response> {
        caller.authorize(state, &self.region, &self.iam_action())?;
        let now = Stamp(state.now());
        let mut call = Call {
            state,
            caller,
            region: &self.region,
            now,
        };
        match &self.work {
            Work::Json(handler, input) => {
                handler(&mut call, input).map(|value| json_response(&value, request_id))
            }
            Work::Query(handler, form) => handler(&mut call, form)
                .map(|result| query_response(self.service, &self.action, result, request_id)),
            Work::S3(request) => request.run(&mut call).map(|mut response| {
                response
                    .headers
                    .push(("x-amz-request-id".into(), request_id.into()));
                response
            }),
        }
    }

    fn iam_action(&self) -> String {
        match &self.work {
            Work::S3(request) => request.iam_action().to_owned(),
            _ => format!("{}:{}", self.service.prefix(), self.action),
        }
    }

    /// S3 and the query services shorten the code of a denial, and answer it with 403.
    fn in_service_words(&self, mut error: AwsError) -> AwsError {
        let short = matches!(
            self.service,
            Service::S3 | Service::Iam | Service::Sns | Service::Sts
        );
        if short && error.code == "AccessDeniedException" {
            error.code = "AccessDenied".to_owned();
            error.status = 403;
        }
        error
    }

    /// Writes the call into the event history.
    pub fn record(&self, state: &mut State, account: &str, response: &Response) {
        let parameters = match &self.work {
            Work::Json(_, input) => input.clone(),
            Work::Query(_, form) => cloudtrail_events::form_parameters(form),
            Work::S3(request) => match request.event_parameters() {
                Some(parameters) => parameters,
                None => return,
            },
        };
        if account.is_empty() || self.service == Service::Sts {
            return;
        }
        let Ok(caller) = identity::resolve(state, &self.access_key, self.service) else {
            return;
        };
        let what = cloudtrail_events::Happening {
            service: self.service,
            action: &self.action,
            region: &self.region,
            parameters,
            response,
            session_token: self.session_token.is_some(),
        };
        cloudtrail_events::record(state, &caller, what);
    }
}
