"""The operations that callers with limited permissions may execute: the allow-list.

The local AWS knows exactly which resources these operations touch, so policies decide about them as
on AWS. Every other operation is refused to such callers by name, because a Deny of a resource could
not be enforced.

An entry is `Operation`, or `Operation=Action` where IAM's action has another name. An entry that
ends in `*` may also be about no resource in particular, for which AWS asks for the action on `*`;
each parameter that names a resource of it is then known to `local_aws.iam.requests`.

https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Known:
    """An operation on the allow-list.

    Attributes:
        action: IAM's name of it, without the prefix.
        anywhere: whether it needs its action on `*` if its parameters name no resource.
    """

    action: str
    anywhere: bool


def _entries(listed: str) -> Iterator[tuple[str, Known]]:
    for entry in listed.split():
        operation, _, action = entry.rstrip("*").partition("=")
        yield operation, Known(action or operation, entry.endswith("*"))


# IAM's prefix → operation → what is known of it. Actions of API Gateway are HTTP's methods, and its
# resources the paths.
OPERATIONS: Final = {
    prefix: dict(_entries(listed))
    for prefix, listed in {
        "apigateway": """
            CreateApi CreateIntegration CreateRoute CreateStage
            DeleteApi DeleteIntegration DeleteRoute DeleteStage
            GetApi GetApis GetIntegration GetIntegrations GetRoute GetRoutes GetStage GetStages
            UpdateApi UpdateIntegration UpdateRoute UpdateStage
        """,
        "application-autoscaling": """
            DeleteScalingPolicy DeleteScheduledAction DeregisterScalableTarget
            DescribeScalableTargets DescribeScalingActivities DescribeScalingPolicies
            DescribeScheduledActions PutScalingPolicy PutScheduledAction RegisterScalableTarget
        """,
        "budgets": """
            CreateBudget=ModifyBudget DeleteBudget=ModifyBudget DescribeBudget=ViewBudget
            DescribeBudgets=ViewBudget* DescribeNotificationsForBudget=ViewBudget
            DescribeSubscribersForNotification=ViewBudget UpdateBudget=ModifyBudget
        """,
        "cloudformation": """
            ContinueUpdateRollback CreateChangeSet CreateStack DeleteChangeSet DeleteStack
            DescribeChangeSet DescribeStackEvents DescribeStackResource DescribeStackResources
            DescribeStacks* ExecuteChangeSet GetTemplate GetTemplateSummary* ListChangeSets
            ListExports ListImports ListStackResources ListStacks RollbackStack UpdateStack
            UpdateTerminationProtection ValidateTemplate
        """,
        "cloudwatch": """
            DeleteAlarms DeleteDashboards DescribeAlarms* DescribeAlarmsForMetric
            DisableAlarmActions EnableAlarmActions GetDashboard GetMetricData* GetMetricStatistics
            ListDashboards ListMetrics* ListTagsForResource PutDashboard PutMetricAlarm
            PutMetricData* SetAlarmState TagResource UntagResource
        """,
        "dynamodb": """
            BatchGetItem BatchWriteItem CreateTable DeleteItem DeleteTable
            DescribeContinuousBackups DescribeEndpoints DescribeImport DescribeLimits DescribeTable
            DescribeTimeToLive GetItem ImportTable ListTables ListTagsOfResource PutItem Query Scan
            TagResource UntagResource UpdateContinuousBackups UpdateItem UpdateTable
            UpdateTimeToLive
        """,
        "ecr": """
            BatchCheckLayerAvailability BatchDeleteImage BatchGetImage CompleteLayerUpload
            CreateRepository DeleteLifecyclePolicy DeleteRepository DeleteRepositoryPolicy
            DescribeImageScanFindings DescribeImages DescribeRepositories* GetAuthorizationToken
            GetDownloadUrlForLayer GetLifecyclePolicy GetRepositoryPolicy InitiateLayerUpload
            ListImages ListTagsForResource PutImage PutImageScanningConfiguration
            PutImageTagMutability PutLifecyclePolicy SetRepositoryPolicy StartImageScan TagResource
            UntagResource UploadLayerPart
        """,
        "emr-serverless": """
            CancelJobRun CreateApplication DeleteApplication GetApplication GetJobRun
            ListApplications ListJobRuns ListTagsForResource StartApplication StartJobRun
            StopApplication TagResource UntagResource UpdateApplication
        """,
        "events": """
            CreateEventBus DeleteEventBus DeleteRule DescribeEventBus DescribeRule DisableRule
            EnableRule ListEventBuses ListRules ListTagsForResource ListTargetsByRule PutEvents
            PutRule PutTargets RemoveTargets TagResource TestEventPattern UntagResource
            UpdateEventBus
        """,
        "glue": "",  # a catalog's resources contain each other; none of the project's roles asks
        "iam": """
            AddRoleToInstanceProfile AttachGroupPolicy AttachRolePolicy AttachUserPolicy
            CreateGroup CreateInstanceProfile CreatePolicy CreatePolicyVersion CreateRole
            CreateServiceLinkedRole CreateUser DeleteGroup DeleteGroupPolicy DeleteInstanceProfile
            DeletePolicy DeletePolicyVersion DeleteRole DeleteRolePermissionsBoundary
            DeleteRolePolicy DeleteUser DeleteUserPolicy DetachGroupPolicy DetachRolePolicy
            DetachUserPolicy GetGroup GetGroupPolicy GetInstanceProfile GetPolicy GetPolicyVersion
            GetRole GetRolePolicy GetUser GetUserPolicy ListAttachedGroupPolicies
            ListAttachedRolePolicies ListAttachedUserPolicies ListEntitiesForPolicy
            ListGroupPolicies ListGroups ListGroupsForUser ListInstanceProfiles
            ListInstanceProfilesForRole ListPolicies ListPolicyVersions ListRolePolicies
            ListRoleTags ListRoles ListUserPolicies ListUsers PutGroupPolicy
            PutRolePermissionsBoundary PutRolePolicy PutUserPolicy RemoveRoleFromInstanceProfile
            SetDefaultPolicyVersion SimulatePrincipalPolicy TagPolicy TagRole UntagPolicy UntagRole
            UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription
        """,
        "kms": """
            CancelKeyDeletion CreateAlias CreateKey Decrypt DeleteAlias DescribeKey DisableKey
            DisableKeyRotation EnableKey EnableKeyRotation Encrypt GenerateDataKey
            GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom GetKeyPolicy
            GetKeyRotationStatus GetPublicKey ListAliases ListKeyPolicies ListKeys ListResourceTags
            PutKeyPolicy ReEncrypt=ReEncryptTo ScheduleKeyDeletion Sign TagResource UntagResource
            UpdateAlias UpdateKeyDescription Verify VerifyMac
        """,
        "lambda": """
            AddLayerVersionPermission AddPermission CreateAlias CreateFunction DeleteAlias
            DeleteFunction DeleteFunctionConcurrency DeleteFunctionEventInvokeConfig
            DeleteLayerVersion GetAccountSettings GetAlias GetFunction GetFunctionConcurrency
            GetFunctionConfiguration GetFunctionEventInvokeConfig GetLayerVersion
            GetLayerVersionByArn=GetLayerVersion GetLayerVersionPolicy GetPolicy
            Invoke=InvokeFunction InvokeAsync=InvokeFunction
            InvokeWithResponseStream=InvokeFunction ListAliases ListFunctionEventInvokeConfigs
            ListFunctions ListLayerVersions ListLayers ListTags ListVersionsByFunction
            PublishLayerVersion PublishVersion PutFunctionConcurrency PutFunctionEventInvokeConfig
            RemoveLayerVersionPermission RemovePermission TagResource UntagResource UpdateAlias
            UpdateFunctionCode UpdateFunctionConfiguration UpdateFunctionEventInvokeConfig
        """,
        "logs": """
            AssociateKmsKey CreateLogGroup CreateLogStream DeleteLogGroup DeleteLogStream
            DeleteMetricFilter DeleteResourcePolicy DeleteRetentionPolicy DescribeLogGroups
            DescribeLogStreams DescribeMetricFilters* DescribeResourcePolicies
            DisassociateKmsKey FilterLogEvents GetLogEvents
            ListTagsForResource ListTagsLogGroup PutLogEvents PutMetricFilter PutResourcePolicy
            PutRetentionPolicy TagLogGroup TagResource TestMetricFilter UntagLogGroup UntagResource
        """,
        "personalize": """
            CreateBatchInferenceJob CreateBatchSegmentJob CreateCampaign CreateDataDeletionJob
            CreateDataset CreateDatasetExportJob CreateDatasetGroup CreateDatasetImportJob
            CreateEventTracker CreateFilter CreateMetricAttribution CreateRecommender CreateSchema
            CreateSolution CreateSolutionVersion DeleteCampaign DeleteDataset DeleteDatasetGroup
            DeleteEventTracker DeleteFilter DeleteMetricAttribution DeleteRecommender DeleteSchema
            DeleteSolution DescribeAlgorithm DescribeBatchInferenceJob DescribeBatchSegmentJob
            DescribeCampaign DescribeDataDeletionJob DescribeDataset DescribeDatasetExportJob
            DescribeDatasetGroup DescribeDatasetImportJob DescribeEventTracker
            DescribeFeatureTransformation DescribeFilter DescribeMetricAttribution DescribeRecipe
            DescribeRecommender DescribeSchema DescribeSolution DescribeSolutionVersion
            GetPersonalizedRanking GetRecommendations GetSolutionMetrics ListBatchInferenceJobs
            ListBatchSegmentJobs ListCampaigns ListDataDeletionJobs ListDatasetExportJobs
            ListDatasetGroups ListDatasetImportJobs ListDatasets ListEventTrackers ListFilters
            ListMetricAttributionMetrics ListMetricAttributions ListRecipes ListRecommenders
            ListSchemas ListSolutionVersions ListSolutions ListTagsForResource PutEvents PutItems
            PutUsers StartRecommender StopRecommender StopSolutionVersionCreation TagResource
            UntagResource UpdateCampaign UpdateDataset UpdateMetricAttribution UpdateRecommender
            UpdateSolution
        """,
        "s3": """
            AbortMultipartUpload CompleteMultipartUpload=PutObject CopyObject=PutObject CreateBucket
            CreateMultipartUpload=PutObject DeleteBucket DeleteBucketCors=PutBucketCORS
            DeleteBucketEncryption=PutEncryptionConfiguration
            DeleteBucketLifecycle=PutLifecycleConfiguration
            DeleteBucketOwnershipControls=PutBucketOwnershipControls DeleteBucketPolicy
            DeleteBucketTagging=PutBucketTagging DeleteBucketWebsite DeleteObject
            DeleteObjectTagging DeleteObjects=DeleteObject
            DeletePublicAccessBlock=PutBucketPublicAccessBlock
            GetBucketAccelerateConfiguration=GetAccelerateConfiguration GetBucketAcl GetBucketCors
            GetBucketEncryption=GetEncryptionConfiguration
            GetBucketInventoryConfiguration=GetInventoryConfiguration
            GetBucketLifecycleConfiguration=GetLifecycleConfiguration GetBucketLocation
            GetBucketLogging GetBucketNotification
            GetBucketNotificationConfiguration=GetBucketNotification GetBucketOwnershipControls
            GetBucketPolicy GetBucketPolicyStatus GetBucketReplication=GetReplicationConfiguration
            GetBucketTagging GetBucketVersioning GetBucketWebsite GetObject GetObjectAcl
            GetObjectAttributes GetObjectLegalHold
            GetObjectLockConfiguration=GetBucketObjectLockConfiguration GetObjectRetention
            GetObjectTagging GetPublicAccessBlock=GetBucketPublicAccessBlock HeadBucket=ListBucket
            HeadObject=GetObject ListBucketInventoryConfigurations=GetInventoryConfiguration
            ListBuckets=ListAllMyBuckets ListMultipartUploads=ListBucketMultipartUploads
            ListObjectVersions=ListBucketVersions ListObjects=ListBucket ListObjectsV2=ListBucket
            ListParts=ListMultipartUploadParts PutBucketAcl PutBucketCors
            PutBucketEncryption=PutEncryptionConfiguration
            PutBucketLifecycleConfiguration=PutLifecycleConfiguration PutBucketLogging
            PutBucketNotification PutBucketNotificationConfiguration=PutBucketNotification
            PutBucketOwnershipControls PutBucketPolicy PutBucketTagging PutBucketVersioning
            PutBucketWebsite PutObject PutObjectAcl PutObjectLegalHold
            PutObjectLockConfiguration=PutBucketObjectLockConfiguration PutObjectTagging
            PutPublicAccessBlock=PutBucketPublicAccessBlock RestoreObject UploadPart=PutObject
            UploadPartCopy=PutObject
        """,
        "s3vectors": """
            CreateIndex CreateVectorBucket DeleteIndex DeleteVectorBucket DeleteVectors GetIndex
            GetVectorBucket GetVectors ListIndexes ListTagsForResource ListVectorBuckets
            ListVectors PutVectors QueryVectors TagResource UntagResource
        """,
        "sagemaker": """
            AddTags CreateEndpoint CreateEndpointConfig CreateHyperParameterTuningJob CreateModel
            CreateNotebookInstance CreateNotebookInstanceLifecycleConfig CreateProcessingJob
            CreateTrainingJob CreateTransformJob DeleteEndpoint DeleteEndpointConfig
            DeleteHyperParameterTuningJob DeleteModel DeleteNotebookInstance
            DeleteNotebookInstanceLifecycleConfig DeleteProcessingJob DeleteTags DeleteTrainingJob
            DescribeEndpoint DescribeEndpointConfig DescribeHyperParameterTuningJob DescribeModel
            DescribeNotebookInstance DescribeNotebookInstanceLifecycleConfig DescribeProcessingJob
            DescribeTrainingJob DescribeTransformJob InvokeEndpoint ListEndpointConfigs
            ListEndpoints ListHyperParameterTuningJobs ListModels
            ListNotebookInstanceLifecycleConfigs ListNotebookInstances ListProcessingJobs ListTags
            ListTrainingJobs ListTrainingJobsForHyperParameterTuningJob ListTransformJobs
            StartNotebookInstance StopHyperParameterTuningJob StopNotebookInstance
            StopProcessingJob StopTrainingJob StopTransformJob UpdateEndpoint
            UpdateEndpointWeightsAndCapacities UpdateNotebookInstance
            UpdateNotebookInstanceLifecycleConfig
        """,
        "scheduler": """
            CreateSchedule DeleteSchedule GetSchedule ListSchedules UpdateSchedule
        """,
        "secretsmanager": """
            CreateSecret DeleteSecret DescribeSecret GetRandomPassword GetResourcePolicy
            GetSecretValue ListSecretVersionIds ListSecrets PutSecretValue RestoreSecret
            TagResource UntagResource UpdateSecret
        """,
        "servicequotas": """
            GetAWSDefaultServiceQuota GetRequestedServiceQuotaChange GetServiceQuota
            ListAWSDefaultServiceQuotas ListRequestedServiceQuotaChangeHistory
            ListRequestedServiceQuotaChangeHistoryByQuota ListServiceQuotas ListServices
            RequestServiceQuotaIncrease
        """,
        "sns": """
            CreateTopic DeleteTopic GetSubscriptionAttributes GetTopicAttributes
            ListSubscriptionsByTopic ListTagsForResource ListTopics Publish PublishBatch=Publish
            SetSubscriptionAttributes SetTopicAttributes Subscribe TagResource Unsubscribe
            UntagResource
        """,
        "sqs": """
            ChangeMessageVisibility ChangeMessageVisibilityBatch=ChangeMessageVisibility
            CreateQueue DeleteMessage DeleteMessageBatch=DeleteMessage DeleteQueue
            GetQueueAttributes GetQueueUrl ListQueueTags ListQueues* PurgeQueue ReceiveMessage
            SendMessage SendMessageBatch=SendMessage SetQueueAttributes TagQueue UntagQueue
        """,
        "ssm": """
            AddTagsToResource DeleteParameter DeleteParameters DescribeParameters GetParameter
            GetParameterHistory GetParameters GetParametersByPath LabelParameterVersion
            ListTagsForResource PutParameter RemoveTagsFromResource UnlabelParameterVersion
        """,
        "states": """
            CreateStateMachine DeleteStateMachine DescribeExecution DescribeStateMachine
            GetExecutionHistory ListExecutions ListStateMachines ListTagsForResource StartExecution
            StartSyncExecution StopExecution TagResource UntagResource UpdateStateMachine
        """,
        "sts": "AssumeRole GetCallerIdentity",
        "xray": "PutTelemetryRecords PutTraceSegments",
    }.items()
}
