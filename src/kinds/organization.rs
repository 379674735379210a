//! What an organization trail needs from the organization: trusted access for CloudTrail and its service-linked role,
//! both in the management account ("Prepare for creating a trail for your organization", CloudTrail user guide).

use futures_util::future::join3;
use serde::{Deserialize, Serialize};

use super::{Found, Kind, Outputs, Pending, Target, Wanted};
use crate::aws::{Aws, AwsError, at};
use crate::model::{Place, RiskNote};
use crate::spec::Spec;

const SERVICE_PRINCIPAL: &str = "cloudtrail.amazonaws.com";
const SERVICE_LINKED_ROLE: &str = "AWSServiceRoleForCloudTrail";

pub struct OrganizationAccess;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Attrs {
    pub organization_id: String,
    pub trusted_access: bool,
    pub service_linked_role: bool,
}

/// The name under which trails wait for it.
pub const ADDRESS: &str = "access";

impl Kind for OrganizationAccess {
    const NAME: &'static str = "organization";
    type Attrs = Attrs;

    fn desired(spec: &Spec) -> Vec<Wanted<Attrs>> {
        let needed = spec.trails.values().any(|trail| trail.organization);
        let (Some(organization), Some(account), true) =
            (&spec.organization, spec.management_account(), needed)
        else {
            return Vec::new();
        };
        vec![Wanted {
            name: ADDRESS.to_owned(),
            place: spec.place(account, None),
            id: organization.id.clone(),
            attrs: Attrs {
                organization_id: organization.id.clone(),
                trusted_access: true,
                service_linked_role: true,
            },
            after: Vec::new(),
        }]
    }

    fn adopt(_: &mut Attrs, _: &Attrs, _: &Pending) {}

    fn fixed(field: &str) -> Option<&'static str> {
        (field == "organization_id").then_some(
            "these credentials belong to another organization; correct `organization.id`",
        )
    }

    fn risks(_: Option<&Attrs>, _: Option<&Attrs>) -> Vec<RiskNote> {
        Vec::new()
    }

    async fn read(aws: &Aws, place: &Place, _: &str) -> Result<Option<Found<Attrs>>, AwsError> {
        let (organization, trusted_access, service_linked_role) = join3(
            describe_organization(aws, place),
            has_trusted_access(aws, place),
            has_service_linked_role(aws, place),
        )
        .await;
        let attrs = Attrs {
            organization_id: organization?,
            trusted_access: trusted_access?,
            service_linked_role: service_linked_role?,
        };
        Ok(Some(Found {
            id: attrs.organization_id.clone(),
            attrs,
            outputs: Outputs::new(),
        }))
    }

    async fn put(
        aws: &Aws,
        target: &Target<'_>,
        before: Option<&Attrs>,
        after: &Attrs,
    ) -> Result<Outputs, AwsError> {
        // The role first: with trusted access on but no role, CreateTrail is refused.
        if after.service_linked_role && !before.is_some_and(|live| live.service_linked_role) {
            create_service_linked_role(aws, target.place).await?;
        }
        if after.trusted_access && !before.is_some_and(|live| live.trusted_access) {
            let call = "organizations:EnableAWSServiceAccess";
            aws.organizations(target.place)
                .enable_aws_service_access()
                .service_principal(SERVICE_PRINCIPAL)
                .send()
                .await
                .map_err(at(target.place, call))?;
        }
        Ok(Outputs::new())
    }

    /// Other trails and tools may rely on trusted access: leaving the spec releases it.
    async fn delete(_: &Aws, _: &Target<'_>) -> Result<(), AwsError> {
        Ok(())
    }
}

async fn describe_organization(aws: &Aws, place: &Place) -> Result<String, AwsError> {
    let call = "organizations:DescribeOrganization";
    let answer = aws
        .organizations(place)
        .describe_organization()
        .send()
        .await
        .map_err(at(place, call))?;
    let organization = answer.organization();
    let id = organization.and_then(|organization| organization.id());
    Ok(id.unwrap_or_default().to_owned())
}

async fn has_trusted_access(aws: &Aws, place: &Place) -> Result<bool, AwsError> {
    let mut pages = aws
        .organizations(place)
        .list_aws_service_access_for_organization()
        .into_paginator()
        .send();
    let call = "organizations:ListAWSServiceAccessForOrganization";
    while let Some(page) = pages.next().await {
        let page = page.map_err(at(place, call))?;
        let mut services = page.enabled_service_principals().iter();
        if services.any(|service| service.service_principal() == Some(SERVICE_PRINCIPAL)) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn has_service_linked_role(aws: &Aws, place: &Place) -> Result<bool, AwsError> {
    let answer = aws
        .iam(place)
        .get_role()
        .role_name(SERVICE_LINKED_ROLE)
        .send()
        .await
        .map_err(at(place, "iam:GetRole"));
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.is("NoSuchEntity") => Ok(false),
        Err(error) => Err(error),
    }
}

async fn create_service_linked_role(aws: &Aws, place: &Place) -> Result<(), AwsError> {
    let answer = aws
        .iam(place)
        .create_service_linked_role()
        .aws_service_name(SERVICE_PRINCIPAL)
        .send()
        .await
        .map_err(at(place, "iam:CreateServiceLinkedRole"));
    match answer {
        Ok(_) => Ok(()),
        // Made by someone else, or by an earlier try whose answer was lost.
        Err(error) if error.is("InvalidInput") && made_before(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// AWS says that the name "has been taken in this account"; other servers have their own words.
fn made_before(error: &AwsError) -> bool {
    let message = &error.message;
    message.contains("has been taken") || message.contains("already exists")
}
