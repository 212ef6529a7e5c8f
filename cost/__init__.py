"""What a deployment costs on AWS: its templates, priced by a dated table."""
