"""What agents are told and tell beside their time series: where their events go, and how they are. Pure."""
