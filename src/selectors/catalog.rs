//! What AWS publishes about resource types, event sources and categories.
//!
//! AWS adds several data event types a month, so the lists here serve warnings, never refusals.

/// Data event types: resources.type, service, event source, ARN format, basis of the format, basic selector.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-events.html>
const DATA_EVENT_TYPES: &str = include_str!("data_event_types.tsv");

/// Services with network activity events, without their `.amazonaws.com`.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-network-events-with-cloudtrail.html>
const NETWORK_ACTIVITY_SERVICES: &str = "\
aco-automation agent-registry appconfig application-signals appmesh assurance athena autoscaling \
aws-external-anthropic b2bi backup-gateway bcm-data-exports bcm-pricing-calculator bedrock \
bedrock-agentcore billing cassandra ce chime-sdk-media-pipelines chime-sdk-voice cloudcontrolapi \
cloudformation cloudhsm cloudtrail codedeploy comprehend comprehendmedical config ds dsql dynamodb \
ec2 ecr ecs elasticfilesystem elasticloadbalancing events firehose frauddetector freetier fsx glue \
healthlake identitystore invoicing iot iotfleetwise iotsecuredtunneling iotsitewise kms \
lakeformation lambda license-manager lookoutequipment lookoutvision monitoring partnercentral-prm \
personalize qbusiness quicksight rds rdsdata rdsdataapi rekognition rolesanywhere route53 s3 \
s3vectors sagemaker scheduler secretsmanager servicediscovery ses signin sns sqs ssm ssm-contacts \
sso sso-directory sso-oauth states storagegateway sts swf textract transcribe transcribestreaming \
transfer transform translate user-subscriptions verifiedpermissions voiceid workmail \
workmailmessageflow";

/// Event sources that a management selector of a trail may leave out.
pub const EXCLUDABLE_SOURCES: [&str; 2] = ["kms.amazonaws.com", "rdsdata.amazonaws.com"];

/// Resource types that basic event selectors know.
pub const BASIC_TYPES: [&str; 3] = [
    "AWS::S3::Object",
    "AWS::Lambda::Function",
    "AWS::DynamoDB::Table",
];

/// Event names that differ from the name of the API call, which is what people write.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html>
const EVENT_NAMES_OF_CALLS: [(&str, &str); 4] = [
    ("PutBucketLifecycleConfiguration", "PutBucketLifecycle"),
    (
        "PutObjectLockConfiguration",
        "PutBucketObjectLockConfiguration",
    ),
    (
        "PutPublicAccessBlock",
        "PutBucketPublicAccessBlock or PutAccountPublicAccessBlock",
    ),
    (
        "DeletePublicAccessBlock",
        "DeleteBucketPublicAccessBlock or DeleteAccountPublicAccessBlock",
    ),
];

/// The resource types of data events with their event sources, `""` where AWS does not publish one.
pub fn data_event_types() -> impl Iterator<Item = (&'static str, &'static str)> {
    DATA_EVENT_TYPES.lines().skip(1).filter_map(|line| {
        let mut columns = line.split('\t');
        let resource_type = columns.next()?;
        let source = columns.nth(1)?;
        Some((resource_type, source))
    })
}

pub fn is_resource_type(name: &str) -> bool {
    data_event_types().any(|(known, _)| known == name)
}

/// Whether data events of `resource_type` come from `source`.
pub fn is_data_pair(resource_type: &str, source: &str) -> bool {
    data_event_types().any(|pair| pair == (resource_type, source))
}

pub fn is_data_source(source: &str) -> bool {
    data_event_types().any(|(_, known)| known == source)
}

pub fn is_network_source(source: &str) -> bool {
    network_sources().any(|known| known == source)
}

pub fn nearest_resource_type(name: &str) -> Option<&'static str> {
    nearest(name, data_event_types().map(|(known, _)| known))
}

pub fn nearest_data_source(name: &str) -> Option<String> {
    nearest_source(name, data_event_types().map(|(_, source)| source))
}

pub fn nearest_network_source(name: &str) -> Option<String> {
    let full = with_suffix(name);
    network_sources().find(|known| *known == full).or_else(|| {
        let services = NETWORK_ACTIVITY_SERVICES.split_whitespace();
        nearest(name.trim_end_matches(SUFFIX), services).map(with_suffix)
    })
}

/// What CloudTrail calls the event of an API call whose name differs.
pub fn event_name_of(call: &str) -> Option<&'static str> {
    EVENT_NAMES_OF_CALLS
        .iter()
        .find(|(name, _)| *name == call)
        .map(|(_, event)| *event)
}

const SUFFIX: &str = ".amazonaws.com";

fn with_suffix(service: &str) -> String {
    format!("{}{SUFFIX}", service.trim_end_matches(SUFFIX))
}

fn network_sources() -> impl Iterator<Item = String> {
    NETWORK_ACTIVITY_SERVICES
        .split_whitespace()
        .map(with_suffix)
}

fn nearest_source(name: &str, known: impl Iterator<Item = &'static str>) -> Option<String> {
    let services = known
        .filter(|source| !source.is_empty())
        .map(|source| source.trim_end_matches(SUFFIX));
    nearest(name.trim_end_matches(SUFFIX), services).map(with_suffix)
}

/// The candidate that is a typing mistake away from `name`, if one is.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Distance is quadratic, and nobody mistypes a name of this length into one of ours.
    if name.len() > 200 {
        return None;
    }
    let wanted = name.to_lowercase();
    let limit = wanted.chars().count() / 4 + 1;
    candidates
        .map(|candidate| (edit_distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_lists_are_read() {
        assert_eq!(data_event_types().count(), 250);
        assert!(is_resource_type("AWS::S3::Object"));
        assert!(is_data_pair("AWS::EC2::Snapshot", "ebs.amazonaws.com"));
        assert!(is_network_source("workmailmessageflow.amazonaws.com"));
        assert!(!is_data_source("s3"));
    }

    #[test]
    fn typing_mistakes_get_a_suggestion() {
        assert_eq!(
            nearest_resource_type("AWS::S3::Objects"),
            Some("AWS::S3::Object")
        );
        assert_eq!(
            nearest_resource_type("AWS::s3::object"),
            Some("AWS::S3::Object")
        );
        assert_eq!(nearest_resource_type("something else"), None);
        assert_eq!(
            nearest_data_source("lamda").as_deref(),
            Some("lambda.amazonaws.com")
        );
        assert_eq!(
            nearest_network_source("s3").as_deref(),
            Some("s3.amazonaws.com")
        );
    }
}
