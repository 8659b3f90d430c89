import views
from django.urls import path

urlpatterns = [path(f"{name}/", view) for name, view in views.VIEWS.items()]
handler404 = views.missing_page
