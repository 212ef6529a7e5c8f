"""AWS::CloudWatch: alarms and dashboards."""

from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    retag,
)


class Alarm(Handler):
    """AWS::CloudWatch::Alarm of one metric."""

    type = "AWS::CloudWatch::Alarm"
    supported = frozenset(
        [
            "ActionsEnabled",
            "AlarmActions",
            "AlarmDescription",
            "AlarmName",
            "ComparisonOperator",
            "DatapointsToAlarm",
            "Dimensions",
            "EvaluationPeriods",
            "ExtendedStatistic",
            "InsufficientDataActions",
            "MetricName",
            "Namespace",
            "OKActions",
            "Period",
            "Statistic",
            "Tags",
            "Threshold",
            "TreatMissingData",
            "Unit",
        ]
    )

    def create(self, call: Call) -> Attributes:
        """Put the alarm."""
        call.identify(call.properties.get("AlarmName") or call.generated_name(255))
        return self._put(call)

    def update(self, call: Call) -> Attributes:
        """Update the alarm and its tags."""
        attributes = self._put(call)
        retag(call, call.client("cloudwatch"), ResourceARN=attributes["Arn"])
        return attributes

    def delete(self, call: Call) -> None:
        """Delete the alarm."""
        call.client("cloudwatch").delete_alarms(AlarmNames=[call.physical_id])

    def _put(self, call: Call) -> Attributes:
        call.client("cloudwatch").put_metric_alarm(
            **{**call.properties, "AlarmName": call.physical_id}
        )
        arn = f"arn:aws:cloudwatch:{call.region}:{call.account_id}:alarm:{call.physical_id}"
        return {"Arn": arn}


class Dashboard(Handler):
    """AWS::CloudWatch::Dashboard."""

    type = "AWS::CloudWatch::Dashboard"
    supported = frozenset({"DashboardBody", "DashboardName"})
    gone_codes = frozenset({"ResourceNotFound", "ResourceNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Put the dashboard."""
        call.identify(call.properties.get("DashboardName") or call.generated_name(255))
        return self.update(call)

    def update(self, call: Call) -> Attributes:
        """Update the dashboard."""
        call.client("cloudwatch").put_dashboard(
            DashboardName=call.physical_id, DashboardBody=call.properties["DashboardBody"]
        )
        return {}

    def delete(self, call: Call) -> None:
        """Delete the dashboard."""
        call.client("cloudwatch").delete_dashboards(DashboardNames=[call.physical_id])


HANDLERS = (Alarm, Dashboard)
