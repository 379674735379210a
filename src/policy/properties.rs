//! What holds for every policy, not only for the ones somebody thought of.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z:*?${}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[A-Za-z]{1,8}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn one_or_many(item: impl Strategy<Value = String> + Clone + 'static) -> BoxedStrategy<Value> {
    let many = prop::collection::vec(item.clone(), 0..3).prop_map(Value::from);
    prop_oneof![item.prop_map(Value::from), many].boxed()
}

fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        Just("*".to_owned()),
        Just("s3:PutObject".to_owned()),
        Just("cloudtrail.amazonaws.com".to_owned()),
        Just("arn:aws:iam::111122223333:root".to_owned()),
        Just("arn:aws:s3:::logs/${aws:username}/*".to_owned()),
        "\\PC{0,10}",
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = prop_oneof![
        Just("StringEquals"),
        Just("arnnotlike"),
        Just("ForAnyValue:StringLikeIfExists"),
        Just("Null"),
        Just("NumericLessThan"),
        Just("DateGreaterThan"),
        Just("NotIpAddress"),
        Just("Later"),
    ];
    let key = prop_oneof![
        Just("aws:SourceArn"),
        Just("AWS:principalorgid"),
        Just("aws:PrincipalTag/é"),
        Just("x")
    ];
    (operator, key, one_or_many(text()))
        .prop_map(|(operator, key, values)| json!({operator: {key: values}}))
}

fn statement() -> impl Strategy<Value = Value> {
    let sid = prop::option::of("(OrgTrail)?[A-Z][a-z]{0,4}");
    let principal = prop::option::of(prop_oneof![
        Just(json!("*")),
        one_or_many(text()).prop_map(|values| json!({"AWS": values})),
        one_or_many(text()).prop_map(|values| json!({"Service": values, "Later": "x"})),
    ]);
    let not = any::<[bool; 4]>();
    (
        sid,
        principal,
        one_or_many(text()),
        one_or_many(text()),
        prop::option::of(condition()),
        not,
        any_json(),
    )
        .prop_map(
            |(sid, principal, action, resource, condition, [deny, np, na, nr], extra)| {
                let mut json = json!({"Effect": if deny { "Deny" } else { "Allow" }});
                let name = |not, name: &str| {
                    if not {
                        format!("Not{name}")
                    } else {
                        name.to_owned()
                    }
                };
                json[name(na, "Action")] = action;
                json[name(nr, "Resource")] = resource;
                if let Some(sid) = sid {
                    json["Sid"] = sid.into();
                }
                if let Some(principal) = principal {
                    json[name(np, "Principal")] = principal;
                }
                if let Some(condition) = condition {
                    json["Condition"] = condition;
                }
                if extra.is_number() {
                    json["Later"] = extra;
                }
                json
            },
        )
}

fn policy() -> impl Strategy<Value = Policy> {
    let version = prop_oneof![
        Just(Some("2012-10-17")),
        Just(Some("2008-10-17")),
        Just(None)
    ];
    (version, prop::collection::vec(statement(), 0..5)).prop_map(|(version, statements)| {
        let mut json = json!({"Id": "x", "Statement": statements});
        if let Some(version) = version {
            json["Version"] = version.into();
        }
        Policy::from_json(json).expect("generated policies are valid")
    })
}

fn any_request(arn: &str) -> [Request; 2] {
    let service = Principal::Service("cloudtrail.amazonaws.com".into());
    let role = Principal::Aws {
        arn: "arn:aws:sts::111122223333:assumed-role/r/s".into(),
        account: "111122223333".into(),
    };
    [service, role].map(|principal| {
        Request::new(principal, "s3:PutObject", arn)
            .with("aws:SourceArn", arn)
            .without("aws:PrincipalTag/*")
    })
}

struct Names {
    partition: &'static str,
    account: String,
    organization_id: Option<String>,
    bucket: String,
    prefix: Option<String>,
    trail: String,
    bucket_key: bool,
}

fn names() -> impl Strategy<Value = Names> {
    let partition = prop_oneof![Just("aws"), Just("aws-cn"), Just("aws-us-gov")];
    let organization_id = prop::option::of("o-[a-z0-9]{10}");
    let prefix = prop::option::of("[ -~é]{1,30}");
    let trail = "[A-Za-z0-9]{1,5}([._-][A-Za-z0-9]{1,5}){1,3}";
    let bucket = "[a-z0-9][a-z0-9-]{1,20}[a-z0-9]";
    (
        partition,
        "[0-9]{12}",
        organization_id,
        bucket,
        prefix,
        trail,
        any::<bool>(),
    )
        .prop_map(
            |(partition, account, organization_id, bucket, prefix, trail, bucket_key)| Names {
                partition,
                account,
                organization_id,
                bucket,
                prefix,
                trail,
                bucket_key,
            },
        )
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} {:?} {:?}",
            self.account, self.bucket, self.organization_id, self.prefix
        )
    }
}

fn delivery_holds(names: &Names) -> Vec<Proof> {
    let arn = format!(
        "arn:{}:cloudtrail:us-gov-west-1:{}:trail/{}",
        names.partition, names.account, names.trail
    );
    let trails = [TrailGrant {
        arn: arn.clone(),
        account: names.account.clone(),
        organization_id: names.organization_id.clone(),
        prefix: names.prefix.clone(),
    }];
    let (partition, bucket) = (names.partition, names.bucket.as_str());
    let bucket_policy = Policy::new(bucket_statements(&BucketGrant {
        partition,
        bucket,
        trails: &trails,
    }));
    let key_policy = Policy::new(key_statements(&KeyGrant {
        partition,
        account: "222233334444",
        trails: &trails,
        readers: &[],
        bucket_key: names.bucket_key,
    }));
    let topic_arn = format!("arn:{partition}:sns:us-gov-west-1:{}:t", names.account);
    let topic_policy = Policy::new(topic_statements(&TopicGrant {
        arn: &topic_arn,
        trails: &trails,
    }));
    prove_delivery(&Delivery {
        partition,
        trail_arn: &arn,
        trail_account: &names.account,
        organization_id: names.organization_id.as_deref(),
        bucket,
        bucket_account: "222233334444",
        prefix: names.prefix.as_deref(),
        bucket_policy: Some(&bucket_policy),
        key: Some(KeyUse {
            arn: "arn:aws:kms:us-gov-west-1:222233334444:key/1",
            account: "222233334444",
            policy: &key_policy,
            bucket_key: names.bucket_key,
            region: "us-gov-west-1",
            bucket_region: "us-gov-west-1",
        }),
        topic: Some(TopicUse {
            arn: &topic_arn,
            policy: &topic_policy,
        }),
        sse: Sse::TrailKey,
        files: &[LogFiles::Events, LogFiles::Digests, LogFiles::Insights],
    })
}

proptest! {
    // A case found here becomes a test of its own, not a seed file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn writing_and_reading_keep_the_meaning(policy in policy()) {
        let again = Policy::parse(&policy.to_json()).expect("own output is valid");
        prop_assert!(same_meaning(&policy, &again));
        prop_assert_eq!(policy, again);
    }

    #[test]
    fn order_has_no_meaning(policy in policy()) {
        let mut reversed = policy.clone();
        reversed.statements.reverse();
        prop_assert!(same_meaning(&policy, &reversed));
    }

    #[test]
    fn merge_is_idempotent_and_keeps_the_foreign(live in prop::option::of(policy()), ours in policy()) {
        let once = merge(live.as_ref(), &ours.statements);
        prop_assert_eq!(&merge(Some(&once), &ours.statements), &once);
        let Some(live) = live else { return Ok(()) };
        let kept: Vec<_> = foreign(&live).collect();
        let in_place: Vec<_> = foreign(&once).take(kept.len()).collect();
        prop_assert_eq!(kept, in_place);
        prop_assert_eq!(&once.version, &live.version);
    }

    #[test]
    fn what_the_templates_grant_is_proved(names in names()) {
        for proof in delivery_holds(&names) {
            prop_assert_eq!(proof.holds, Holds::Yes, "{:?}", proof);
        }
    }

    #[test]
    fn nothing_panics_on_any_policy(policy in policy(), arn in "\\PC{0,20}") {
        for request in any_request(&arn) {
            let _ = decide(&policy, &request);
        }
        let key = KeyUse { arn: &arn, account: "1", policy: &policy, bucket_key: true, region: "r", bucket_region: "r" };
        let _ = prove_delivery(&Delivery {
            partition: &arn, trail_arn: &arn, trail_account: &arn, organization_id: Some(&arn), bucket: &arn,
            bucket_account: &arn, prefix: Some(&arn), bucket_policy: Some(&policy), key: Some(key),
            topic: Some(TopicUse { arn: &arn, policy: &policy }), sse: Sse::TrailKey, files: &[],
        });
        let _ = prove_owner_keeps_put_key_policy(&policy, &arn, &arn);
        let _ = prove_reader(&arn, &policy, &arn, &[&arn]);
        let _ = prove_scp_spares(&policy, &arn, &[(&arn, &arn)]);
        let _ = lint_bucket_policy(&policy, &arn);
        let _ = lint_key_policy(&policy, &arn, true);
    }

    #[test]
    fn nothing_panics_on_any_json(json in any_json(), text in "\\PC{0,40}") {
        let wrapped = json!({"Statement": [{"Effect": "Deny", "Action": json.clone(), "Principal": json.clone(),
            "Condition": {"Bool": json.clone()}}]});
        for json in [json, wrapped] {
            if let Ok(policy) = Policy::parse(&json.to_string()) {
                let _ = decide(&policy, &any_request(&text)[0]);
            }
        }
        let _ = Policy::parse(&text);
    }
}
