//! Writing a trail: creation, then whatever differs, recording itself last.

use std::collections::BTreeMap;

use aws_sdk_cloudtrail::types as ct;

use super::trail::{Attrs, Trail};
use super::trail_sdk as sdk;
use super::{Kind, tag_changes};
use crate::aws::{Aws, AwsError, at, until_consistent};
use crate::model::{OWNER_TAG, Place, Text};
use crate::selectors::Selectors;
use crate::spec::types::{InsightCategory, InsightType, Tags};

/// Refusals that a policy, role or key made a moment ago still causes.
const NOT_YET: [&str; 11] = [
    "InsufficientS3BucketPolicy",
    "InsufficientEncryptionPolicy",
    "InsufficientSnsTopicPolicy",
    "InsufficientDependencyServiceAccessPermission",
    "NoManagementAccountSLRExists",
    "CloudTrailAccessNotEnabled",
    "S3BucketDoesNotExist",
    "KmsKeyNotFound",
    "InvalidCloudWatchLogsLogGroupArn",
    "InvalidCloudWatchLogsRoleArn",
    "Conflict",
];

/// What calls answer until CloudTrail "has had time to fully load the resource" (ConflictException, CloudTrail API).
const NOT_LOADED: [&str; 2] = ["TrailNotFound", "Conflict"];

pub struct Writer<'a> {
    pub aws: &'a Aws,
    pub place: &'a Place,
    pub arn: &'a str,
}

impl Writer<'_> {
    /// Returns what the new trail is like, so that the rest is an update.
    pub async fn create(&self, after: &Attrs) -> Result<Attrs, AwsError> {
        let name = self.arn.rsplit('/').next().unwrap_or(self.arn);
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let answer = until_consistent(self.aws.retry, &NOT_YET, || async {
            self.aws
                .cloudtrail(self.place)
                .create_trail()
                .name(name)
                .s3_bucket_name(&after.bucket)
                .set_s3_key_prefix(some(&after.prefix))
                .set_sns_topic_name(some(&after.sns_topic))
                .include_global_service_events(after.include_global_service_events)
                .is_multi_region_trail(after.multi_region)
                .enable_log_file_validation(after.log_file_validation)
                .set_cloud_watch_logs_log_group_arn(some(&after.cloud_watch_logs_group))
                .set_cloud_watch_logs_role_arn(some(&after.cloud_watch_logs_role))
                .set_kms_key_id(known(&after.kms_key))
                .is_organization_trail(after.organization)
                .recursive_logging(after.recursive_logging)
                .set_tags_list(Some(sdk::tags(&after.tags)))
                .send()
                .await
                .map_err(at(self.place, "cloudtrail:CreateTrail"))
        })
        .await;
        match answer {
            Ok(_) => Ok(Attrs {
                logging: false,
                selectors: Selectors::default(),
                insights: BTreeMap::new(),
                aggregation: after.aggregation.as_ref().map(|_| Vec::new()),
                ..after.clone()
            }),
            Err(error) if error.is("TrailAlreadyExists") => self.created_before(after, error).await,
            Err(error) => Err(error),
        }
    }

    /// A trail with our tag is the work of an earlier try whose answer was lost; any other is somebody else's.
    async fn created_before(&self, after: &Attrs, error: AwsError) -> Result<Attrs, AwsError> {
        let live = Trail::read(self.aws, self.place, self.arn).await?;
        match live.map(|found| found.attrs) {
            Some(live) if live.tags.get(OWNER_TAG) == after.tags.get(OWNER_TAG) => Ok(live),
            _ => Err(error),
        }
    }

    /// The destination first, then what is recorded, then recording itself.
    pub async fn update(&self, before: &Attrs, after: &Attrs) -> Result<(), AwsError> {
        if fields_differ(before, after) {
            self.update_trail(before, after).await?;
        }
        if before.selectors != after.selectors {
            self.put_selectors(&after.selectors).await?;
        }
        // Recording waits for nothing that is not needed for it.
        if !before.logging && after.logging {
            self.start_logging().await?;
        }
        if before.insights != after.insights {
            self.put_insights(&after.insights).await?;
        }
        if before.aggregation != after.aggregation {
            self.put_aggregation(after).await?;
        }
        self.put_tags(&before.tags, &after.tags).await?;
        match before.logging && !after.logging {
            true => self.stop_logging().await,
            false => Ok(()),
        }
    }

    async fn update_trail(&self, before: &Attrs, after: &Attrs) -> Result<(), AwsError> {
        // An empty text clears a field.
        let changed = |old: &String, new: &String| (old != new).then(|| new.clone());
        let key = known(&after.kms_key).unwrap_or_default();
        let logs_changed = before.cloud_watch_logs_group != after.cloud_watch_logs_group
            || before.cloud_watch_logs_role != after.cloud_watch_logs_role;
        let logs = |text: &String| logs_changed.then(|| text.clone());
        let different = |old: bool, new: bool| (old != new).then_some(new);
        until_consistent(self.aws.retry, &NOT_YET, || async {
            self.aws
                .cloudtrail(self.place)
                .update_trail()
                .name(self.arn)
                .set_s3_bucket_name(changed(&before.bucket, &after.bucket))
                .set_s3_key_prefix(changed(&before.prefix, &after.prefix))
                .set_sns_topic_name(changed(&before.sns_topic, &after.sns_topic))
                // A change of multi-Region may flip it, so it is always sent.
                .include_global_service_events(after.include_global_service_events)
                .set_is_multi_region_trail(different(before.multi_region, after.multi_region))
                .set_enable_log_file_validation(different(
                    before.log_file_validation,
                    after.log_file_validation,
                ))
                .set_cloud_watch_logs_log_group_arn(logs(&after.cloud_watch_logs_group))
                .set_cloud_watch_logs_role_arn(logs(&after.cloud_watch_logs_role))
                .set_kms_key_id((before.kms_key != after.kms_key).then(|| key.clone()))
                .set_is_organization_trail(different(before.organization, after.organization))
                .set_recursive_logging(different(before.recursive_logging, after.recursive_logging))
                .send()
                .await
                .map_err(at(self.place, "cloudtrail:UpdateTrail"))
        })
        .await?;
        Ok(())
    }

    async fn put_selectors(&self, selectors: &Selectors) -> Result<(), AwsError> {
        let (basic, advanced) = match selectors {
            Selectors::Basic(basic) => (Some(basic.iter().map(sdk::basic_to_sdk).collect()), None),
            Selectors::Advanced(advanced) => {
                let advanced: Option<Vec<_>> = advanced.iter().map(sdk::advanced_to_sdk).collect();
                (None, advanced)
            }
        };
        until_consistent(self.aws.retry, &NOT_LOADED, || async {
            self.aws
                .cloudtrail(self.place)
                .put_event_selectors()
                .trail_name(self.arn)
                .set_event_selectors(basic.clone())
                .set_advanced_event_selectors(advanced.clone())
                .send()
                .await
                .map_err(at(self.place, "cloudtrail:PutEventSelectors"))
        })
        .await?;
        Ok(())
    }

    async fn put_insights(
        &self,
        insights: &BTreeMap<InsightType, Vec<InsightCategory>>,
    ) -> Result<(), AwsError> {
        let selectors = insights.iter().map(|(insight, categories)| {
            let categories = categories.iter().map(sdk::category_to_sdk).collect();
            ct::InsightSelector::builder()
                .insight_type(sdk::insight_to_sdk(*insight))
                .set_event_categories(Some(categories))
                .build()
        });
        let selectors: Vec<_> = selectors.collect();
        // Insights check bucket and key policies again.
        until_consistent(self.aws.retry, &NOT_YET, || async {
            self.aws
                .cloudtrail(self.place)
                .put_insight_selectors()
                .trail_name(self.arn)
                .set_insight_selectors(Some(selectors.clone()))
                .send()
                .await
                .map_err(at(self.place, "cloudtrail:PutInsightSelectors"))
        })
        .await?;
        Ok(())
    }

    async fn put_aggregation(&self, after: &Attrs) -> Result<(), AwsError> {
        let templates: Vec<_> = after
            .aggregation
            .iter()
            .flatten()
            .map(sdk::template_to_sdk)
            .collect();
        let configuration = ct::AggregationConfiguration::builder()
            .set_templates(Some(templates.clone()))
            .event_category(ct::EventCategoryAggregation::Data)
            .build();
        let configurations = match templates.is_empty() {
            true => Vec::new(),
            false => configuration.into_iter().collect(),
        };
        until_consistent(self.aws.retry, &NOT_LOADED, || async {
            self.aws
                .cloudtrail(self.place)
                .put_event_configuration()
                .trail_name(self.arn)
                .set_aggregation_configurations(Some(configurations.clone()))
                .send()
                .await
                .map_err(at(self.place, "cloudtrail:PutEventConfiguration"))
        })
        .await?;
        Ok(())
    }

    async fn put_tags(&self, before: &Tags, after: &Tags) -> Result<(), AwsError> {
        let (set, removed) = tag_changes(before, after);
        let cloudtrail = self.aws.cloudtrail(self.place);
        if !set.is_empty() {
            cloudtrail
                .add_tags()
                .resource_id(self.arn)
                .set_tags_list(Some(sdk::tags(&set)))
                .send()
                .await
                .map_err(at(self.place, "cloudtrail:AddTags"))?;
        }
        if !removed.is_empty() {
            let removed = removed
                .into_iter()
                .map(|key| (key, String::new()))
                .collect();
            cloudtrail
                .remove_tags()
                .resource_id(self.arn)
                .set_tags_list(Some(sdk::tags(&removed)))
                .send()
                .await
                .map_err(at(self.place, "cloudtrail:RemoveTags"))?;
        }
        Ok(())
    }

    async fn start_logging(&self) -> Result<(), AwsError> {
        // An organization trail may need a moment until StartLogging knows it.
        until_consistent(self.aws.retry, &NOT_LOADED, || async {
            self.aws
                .cloudtrail(self.place)
                .start_logging()
                .name(self.arn)
                .send()
                .await
                .map_err(at(self.place, "cloudtrail:StartLogging"))
        })
        .await?;
        Ok(())
    }

    async fn stop_logging(&self) -> Result<(), AwsError> {
        self.aws
            .cloudtrail(self.place)
            .stop_logging()
            .name(self.arn)
            .send()
            .await
            .map_err(at(self.place, "cloudtrail:StopLogging"))?;
        Ok(())
    }
}

/// Do the fields that UpdateTrail sets differ?
fn fields_differ(before: &Attrs, after: &Attrs) -> bool {
    let rest = Attrs {
        logging: before.logging,
        selectors: before.selectors.clone(),
        insights: before.insights.clone(),
        aggregation: before.aggregation.clone(),
        tags: before.tags.clone(),
        ..after.clone()
    };
    rest != *before
}

fn known(text: &Option<Text>) -> Option<String> {
    text.as_ref().and_then(Text::known).map(str::to_owned)
}
