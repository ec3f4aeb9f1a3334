"""The health report for export. Pure: values in, bytes out."""
