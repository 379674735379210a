//! A trail between our types and the SDK's.

use std::collections::BTreeMap;

use aws_sdk_cloudtrail::types as ct;

use super::trail::Attrs;
use crate::model::Text;
use crate::selectors::{self, AdvancedEventSelector, EventSelector, FieldSelector, Selectors};
use crate::spec::types::{AggregationTemplate, InsightCategory, InsightType, Tags};

pub fn attrs_from_sdk(trail: &ct::Trail) -> Attrs {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Attrs {
        logging: false,
        organization: trail.is_organization_trail().unwrap_or_default(),
        multi_region: trail.is_multi_region_trail().unwrap_or_default(),
        include_global_service_events: trail.include_global_service_events().unwrap_or_default(),
        bucket: text(trail.s3_bucket_name()),
        prefix: text(trail.s3_key_prefix()),
        kms_key: trail
            .kms_key_id()
            .filter(|key| !key.is_empty())
            .map(|key| Text::Known(key.to_owned())),
        log_file_validation: trail.log_file_validation_enabled().unwrap_or_default(),
        // Servers that do not know the field record what AWS records by default.
        recursive_logging: trail.recursive_logging().unwrap_or(true),
        sns_topic: text(trail.sns_topic_arn()),
        cloud_watch_logs_group: text(trail.cloud_watch_logs_log_group_arn()),
        cloud_watch_logs_role: text(trail.cloud_watch_logs_role_arn()),
        selectors: Selectors::default(),
        insights: BTreeMap::new(),
        aggregation: None,
        tags: Tags::new(),
    }
}

pub fn basic_from_sdk(selector: &ct::EventSelector) -> EventSelector {
    EventSelector {
        read_write_type: match selector.read_write_type() {
            Some(ct::ReadWriteType::ReadOnly) => selectors::ReadWriteType::ReadOnly,
            Some(ct::ReadWriteType::WriteOnly) => selectors::ReadWriteType::WriteOnly,
            _ => selectors::ReadWriteType::All,
        },
        include_management_events: selector.include_management_events().unwrap_or(true),
        exclude_management_event_sources: selector.exclude_management_event_sources().to_vec(),
        data_resources: selector
            .data_resources()
            .iter()
            .map(|resource| selectors::DataResource {
                resource_type: resource.r#type().unwrap_or_default().to_owned(),
                values: resource.values().to_vec(),
            })
            .collect(),
    }
}

pub fn basic_to_sdk(selector: &EventSelector) -> ct::EventSelector {
    let resources = selector.data_resources.iter().map(|resource| {
        ct::DataResource::builder()
            .r#type(&resource.resource_type)
            .set_values(Some(resource.values.clone()))
            .build()
    });
    ct::EventSelector::builder()
        .read_write_type(match selector.read_write_type {
            selectors::ReadWriteType::ReadOnly => ct::ReadWriteType::ReadOnly,
            selectors::ReadWriteType::WriteOnly => ct::ReadWriteType::WriteOnly,
            selectors::ReadWriteType::All => ct::ReadWriteType::All,
        })
        .include_management_events(selector.include_management_events)
        .set_exclude_management_event_sources(Some(
            selector.exclude_management_event_sources.clone(),
        ))
        .set_data_resources(Some(resources.collect()))
        .build()
}

pub fn advanced_from_sdk(selector: &ct::AdvancedEventSelector) -> AdvancedEventSelector {
    let list = |values: &[String]| (!values.is_empty()).then(|| values.to_vec());
    AdvancedEventSelector {
        name: selector.name().map(str::to_owned),
        field_selectors: selector
            .field_selectors()
            .iter()
            .map(|field| FieldSelector {
                field: field.field().to_owned(),
                equals: list(field.equals()),
                starts_with: list(field.starts_with()),
                ends_with: list(field.ends_with()),
                not_equals: list(field.not_equals()),
                not_starts_with: list(field.not_starts_with()),
                not_ends_with: list(field.not_ends_with()),
            })
            .collect(),
    }
}

pub fn advanced_to_sdk(selector: &AdvancedEventSelector) -> Option<ct::AdvancedEventSelector> {
    let fields = selector.field_selectors.iter().map(|field| {
        ct::AdvancedFieldSelector::builder()
            .field(&field.field)
            .set_equals(field.equals.clone())
            .set_starts_with(field.starts_with.clone())
            .set_ends_with(field.ends_with.clone())
            .set_not_equals(field.not_equals.clone())
            .set_not_starts_with(field.not_starts_with.clone())
            .set_not_ends_with(field.not_ends_with.clone())
            .build()
            .ok()
    });
    let fields: Option<Vec<_>> = fields.collect();
    ct::AdvancedEventSelector::builder()
        .set_name(selector.name.clone())
        .set_field_selectors(fields)
        .build()
        .ok()
}

pub fn insight_from_sdk(insight: &ct::InsightType) -> Option<InsightType> {
    match insight {
        ct::InsightType::ApiCallRateInsight => Some(InsightType::ApiCallRateInsight),
        ct::InsightType::ApiErrorRateInsight => Some(InsightType::ApiErrorRateInsight),
        _ => None,
    }
}

pub fn insight_to_sdk(insight: InsightType) -> ct::InsightType {
    match insight {
        InsightType::ApiCallRateInsight => ct::InsightType::ApiCallRateInsight,
        InsightType::ApiErrorRateInsight => ct::InsightType::ApiErrorRateInsight,
    }
}

pub fn category_from_sdk(category: &ct::SourceEventCategory) -> Option<InsightCategory> {
    match category {
        ct::SourceEventCategory::Management => Some(InsightCategory::Management),
        ct::SourceEventCategory::Data => Some(InsightCategory::Data),
        _ => None,
    }
}

pub fn category_to_sdk(category: &InsightCategory) -> ct::SourceEventCategory {
    match category {
        InsightCategory::Management => ct::SourceEventCategory::Management,
        InsightCategory::Data => ct::SourceEventCategory::Data,
    }
}

pub fn template_from_sdk(template: &ct::Template) -> Option<AggregationTemplate> {
    match template {
        ct::Template::ApiActivity => Some(AggregationTemplate::ApiActivity),
        ct::Template::ResourceAccess => Some(AggregationTemplate::ResourceAccess),
        ct::Template::UserActions => Some(AggregationTemplate::UserActions),
        _ => None,
    }
}

pub fn template_to_sdk(template: &AggregationTemplate) -> ct::Template {
    match template {
        AggregationTemplate::ApiActivity => ct::Template::ApiActivity,
        AggregationTemplate::ResourceAccess => ct::Template::ResourceAccess,
        AggregationTemplate::UserActions => ct::Template::UserActions,
    }
}

pub fn tags(tags: &Tags) -> Vec<ct::Tag> {
    tags.iter()
        .filter_map(|(key, value)| ct::Tag::builder().key(key).value(value).build().ok())
        .collect()
}
